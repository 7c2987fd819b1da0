"""What a request costs: the product on granian against a bare route of the same app, on SQLite and PostgreSQL."""

BARE, TOKEN_CHECK, EMPTY_FLASK = "/bench/bare", "/bench/token", "/bench/empty-flask"
"""Paths that only `bench.app` serves."""
WITHOUT_FSYNC = "BENCH_WITHOUT_FSYNC"
"""Environment variable: serve without waiting for the disk at commit."""
TELLING_WAITS = "BENCH_TELLING_WAITS"
"""Environment variable: tell in a header of each answer where its request waited (bench.waits)."""
UNLIMITED = {
    f"{name}_PER_MINUTE": "0"
    for name in ("APP_REQUESTS", "APP_TOKENS", "ACCOUNT_PAGES", "ADDRESS_PAGES", "DIRECTORY_REQUESTS")
}
"""Settings without rate limits: one app asks for as much here as the machine gives."""
