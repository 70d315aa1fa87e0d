"""How like recorded cars simulated ones are, and how the report that says so is made.

recorded and simulated bring both sides into one form, a Trace · measures are pure functions of arrays · electric,
engines and sessions compare the two sides by them, each comparison is a Finding · report and plots write them down.
"""
