/** As embedding-files.ts, of faceres-1024-r1. */
import json from '../models/made/faceres.json?url'
import bin from '../models/made/faceres.bin?url'

export const EMBEDDING_JSON = { url: json, bytes: 31_085 }
export const EMBEDDING_BIN = { url: bin, bytes: 6_481_352 }
