-- Cars, by what models are called and where they are.
INSERT INTO telemetry.vehicle (model, powertrain, chemistry, cells, city)
SELECT
    'Forewarn E' || (3 + 2 * (n %% 4)),
    (ARRAY['bev', 'bev', 'phev', 'ice'])[1 + n %% 4],
    CASE WHEN n %% 4 < 3 THEN 'NMC' END,
    CASE WHEN n %% 4 < 3 THEN 96 END,
    (ARRAY['Shanghai', 'Beijing', 'Guangzhou', 'Chengdu', 'Shenzhen'])[1 + n %% 5]
FROM generate_series(1, %(vehicles)s) AS n
