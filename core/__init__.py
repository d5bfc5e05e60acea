"""What every process shares: messages, queue, configuration, journal, flags, IPC and the broker connection."""
