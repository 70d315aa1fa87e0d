-- When the lamp comes on, given that it will: what a model says beside how likely it is.
ALTER TABLE prediction.prediction
    ADD COLUMN days_to_lamp real CHECK (days_to_lamp >= 0),
    ADD COLUMN days_to_lamp_low real CHECK (days_to_lamp_low >= 0),
    ADD COLUMN days_to_lamp_high real CHECK (days_to_lamp_high >= days_to_lamp_low);
COMMENT ON COLUMN prediction.prediction.days_to_lamp IS 'NULL: the model does not know, or the car was not flagged.';
