"""What charging operators push in, read back and are asked: their protocols, their keys, their server."""
