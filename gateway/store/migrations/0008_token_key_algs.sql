-- What a key signs tokens with. Those that there are were drawn when there was but one way.
ALTER TABLE token_keys ADD COLUMN alg TEXT NOT NULL DEFAULT 'RS256' CHECK (alg IN ('RS256', 'ES256', 'EdDSA'));
