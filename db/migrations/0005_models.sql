-- The second embedding model. Embeddings of different models are never compared; a template names its own.
CREATE OR REPLACE FUNCTION embedding_length(model text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE model WHEN 'mobilefacenet-192-r1' THEN 192 WHEN 'faceres-1024-r1' THEN 1024 END;
