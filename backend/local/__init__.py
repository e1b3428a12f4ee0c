"""The laptop installation: set-up, embedded broker, one supervisor."""
