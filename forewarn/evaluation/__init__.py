"""What the models are worth: on simulated fleets they never saw, on any fleet in files, on recordings of real cars."""
