/** What a node does: take events in, deliver them, answer the API. */
export type NodeRole = 'ingest' | 'deliver' | 'api';

/** Every role; a gateway of one process has them all. */
export const NODE_ROLES: readonly NodeRole[] = ['ingest', 'deliver', 'api'];

export function isNodeRole(text: string): text is NodeRole {
  return NODE_ROLES.some((role) => role === text);
}
