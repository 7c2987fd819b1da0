"""How those who run it see what happens: logs, metrics, traces."""
