/** The files of the default embedding model. Where the app is built for another one, that one's module takes this one's place: kiosk/models/app-model.ts. */
import json from '../models/made/mobilefacenet.json?url'
import bin from '../models/made/mobilefacenet.bin?url'

/** Addresses, and bytes uncompressed. */
export const EMBEDDING_JSON = { url: json, bytes: 89_505 }
export const EMBEDDING_BIN = { url: bin, bytes: 5_171_976 }
