"""Everything that shows; it imports nothing of ours and speaks only REST."""
