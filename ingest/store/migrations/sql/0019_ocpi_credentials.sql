-- Operators register themselves by OCPI's credentials: a token that is good once, and where they serve their versions.
ALTER TABLE safety.partner_key DROP CONSTRAINT partner_key_kind_check;
ALTER TABLE safety.partner_key ADD CONSTRAINT partner_key_kind_check
    CHECK (kind IN ('webhook', 'tcec102', 'ocpi', 'read', 'tcec102_out', 'ocpi_out', 'ocpi_register'));
-- When a token that is good once was used. For a while it still answers the same request again.
ALTER TABLE safety.partner_key ADD COLUMN spent_at timestamptz;
-- Where the operator serves its versions; NULL: it has not registered.
ALTER TABLE safety.partner ADD COLUMN ocpi_versions_url text;

-- The server for partners exchanges tokens with nobody beside it. What else a partner is, it cannot change.
GRANT INSERT (key_id, partner_id, kind, sealed, digest, created_at, expires_at) ON safety.partner_key TO forewarn_alerts;
GRANT UPDATE (expires_at, revoked_at, spent_at) ON safety.partner_key TO forewarn_alerts;
GRANT UPDATE (stop_by, stop_url, ocpi_versions_url) ON safety.partner TO forewarn_alerts;
GRANT USAGE ON SEQUENCE safety.partner_key_key_id_seq TO forewarn_alerts;
