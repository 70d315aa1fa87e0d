"""Settings, the signal catalogue, fault modes and policies. Imports nothing of Forewarn's."""
