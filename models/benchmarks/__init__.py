"""Public recordings with a known answer: what the product's own features and trainers are worth beside others'."""
