"""What of the law a stimulus has met: bins, which are reached, which never can be, and stimuli that aim at them (COVER)."""
