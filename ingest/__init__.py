"""Bytes to stored readings: topics, decoders, quality flags, consent, batching, the store."""
