"""Bins of the law: which a stimulus has reached, which none can reach, and stimuli that aim at them (COVER)."""
