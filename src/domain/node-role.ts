/** What a node does: take events in, deliver them, answer the API. */
export type NodeRole = 'ingest' | 'deliver' | 'api';

/** Every role; a gateway of one process has them all. */
export const NODE_ROLES: readonly NodeRole[] = ['ingest', 'deliver', 'api'];

/** Whether a text is a role, spelled exactly so: in lower case, without blanks. */
export function isNodeRole(text: string): text is NodeRole {
  return NODE_ROLES.some((role) => role === text);
}
