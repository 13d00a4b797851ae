"""Races and kills against a whole Heddle, and the count of what they lost, doubled or left stuck."""
