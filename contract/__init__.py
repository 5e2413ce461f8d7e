"""The event contract: what a valid event is, written once for the producer, the ledger and the tests."""
