import { prepareAdyen } from './custom/adyen.ts';
import { prepareCoinbaseCdp } from './custom/coinbase-cdp.ts';
import { prepareContentful } from './custom/contentful.ts';
import { prepareEbay } from './custom/ebay.ts';
import { prepareMailchannels } from './custom/mailchannels.ts';
import { preparePlivo } from './custom/plivo.ts';
import { prepareSns } from './custom/sns.ts';
import { prepareTwilio } from './custom/twilio.ts';
import { prepareUnisender } from './custom/unisender.ts';
import { prepareWebsub } from './custom/websub.ts';
import { prepareJwt } from './jwt.ts';
import type { Task } from './operation.ts';
import type { Credentials, PreparedScheme, Proof } from './prepared-scheme.ts';
import type { CustomScheme, Scheme } from './scheme.ts';
import { prepareDigest, prepareMac, prepareSignature } from './signed-content.ts';
import { prepareToken } from './token.ts';

const customSchemes: Record<CustomScheme['fn'], (credentials: Credentials) => PreparedScheme> = {
  adyen: prepareAdyen,
  'coinbase-cdp': prepareCoinbaseCdp,
  contentful: prepareContentful,
  ebay: prepareEbay,
  mailchannels: prepareMailchannels,
  plivo: preparePlivo,
  sns: prepareSns,
  twilio: prepareTwilio,
  unisender: prepareUnisender,
  websub: prepareWebsub,
};

// oxlint-disable-next-line require-yield -- nothing to compute
function* acceptUnproven(): Task<Proof> {
  return { covers: 'nothing' };
}

/**
 * Compiles a scheme with its credentials: templates parsed, keys decoded. Do it once and keep the
 * result; a check then does the minimum.
 *
 * @throws VerifierSettingsError when the credentials cannot work for this scheme.
 */
export function prepareScheme(scheme: Scheme, credentials: Credentials): PreparedScheme {
  switch (scheme.kind) {
    case 'mac':
      return prepareMac(scheme, credentials);
    case 'digest':
      return prepareDigest(scheme, credentials);
    case 'signature':
      return prepareSignature(scheme, credentials);
    case 'jwt':
      return prepareJwt(scheme, credentials);
    case 'token':
      return prepareToken(scheme, credentials);
    case 'custom':
      return customSchemes[scheme.fn](credentials);
    case 'none':
    default:
      return { sharedToken: false, check: acceptUnproven };
  }
}
