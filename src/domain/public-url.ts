/** Names that no public name server answers for (RFC 6761, RFC 8375, RFC 6762). */
const LOCAL_NAME = /(?:^|\.)(?:localhost|local|internal|test|invalid|lan|home\.arpa)$/;

const PRIVATE_BLOCKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::/127',
  'fc00::/7',
  'fe80::/10',
];

/**
 * Why nobody outside could reach the URL, as far as its text shows; `null` when they could.
 *
 * The words follow "its URL ".
 */
export function unreachableUrl(
  text: string,
  addresses: { within(address: string, blocks: readonly string[]): boolean },
): string | null {
  const url = new URL(text);
  const host = url.hostname.replaceAll(/^\[|\]$/g, '');
  const isAddress = host.includes(':') || /^[\d.]+$/.test(host);
  if (isAddress && addresses.within(host, PRIVATE_BLOCKS)) return `is at the private address ${host}`;
  if (!isAddress && (!host.includes('.') || LOCAL_NAME.test(host))) {
    return `names ${host}, which only this network knows`;
  }
  return url.protocol === 'https:' ? null : 'is not https';
}
