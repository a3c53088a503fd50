"""What a replay directory holds beside its case: programs of the standard library alone (CONFORM-5)."""
