/**
 * What the edges may reach of the core: they talk to it through the catalogue, and through these two
 * where bytes must not be parsed first (ingest) or answers have no end (the stream).
 */
export type { Gateway as GatewayAccess } from '../core/gateway.ts';
export type { ActiveSource } from '../core/directory.ts';
export type { IngestAnswer } from '../core/ingest.ts';
