import type { HandshakeRule } from './handshake-rule.ts';

const origin = '{h:webhook-request-origin}';

/**
 * The abuse protection of CloudEvents (HTTP 1.1 Web Hooks, section 4): may this sender send here, and how
 * much? With `allowedOrigin` configured only that one may. `allowedRate` is in requests a minute.
 *
 * The other way to consent, calling `WebHook-Request-Callback`, is not taken: the answer says it already,
 * and that address is whatever a stranger writes.
 */
export const cloudEventsConsent: readonly HandshakeRule[] = [true, false].flatMap((isRated) =>
  [true, false].map((isPinned): HandshakeRule => {
    const rate = isRated ? '{cfg:allowedRate}' : '*';
    return {
      method: 'OPTIONS',
      when: [
        origin,
        isRated ? '{cfg:allowedRate=*}' : '{!cfg:allowedRate}',
        isPinned ? '{cfg:allowedOrigin=*}' : '{!cfg:allowedOrigin}',
      ],
      ...(isPinned ? { match: { value: origin, equals: '{cfg:allowedOrigin}', orStatus: 403 } } : {}),
      answer: {
        status: 200,
        headers: { allow: 'POST', 'webhook-allowed-origin': origin, 'webhook-allowed-rate': rate },
      },
    };
  }),
);

const topic = { value: '{q:hub.topic}', equals: '{cfg:topic}', orStatus: 404 };
const challenge = '{q:hub.challenge}';

/**
 * A WebSub hub asks whether a subscription is meant (WebSub section 5.3). Yes to our topic, for no longer
 * than `leaseSeconds`; to an end of it only with `unsubscribe: "true"`, since anybody can ask the hub for
 * one. A subscription that the hub denies (section 5.2) is acknowledged.
 */
export const websubIntent: readonly HandshakeRule[] = [
  {
    method: 'GET',
    when: ['{q:hub.mode=subscribe}', challenge],
    match: topic,
    atMost: { value: '{q:hub.lease_seconds}', limit: '{cfg:leaseSeconds}', orStatus: 404 },
    answer: { status: 200, text: challenge },
  },
  {
    method: 'GET',
    when: ['{q:hub.mode=unsubscribe}', challenge, '{cfg:unsubscribe=true}'],
    match: topic,
    answer: { status: 200, text: challenge },
  },
  { method: 'GET', when: ['{q:hub.mode=unsubscribe}'], answer: { status: 404 } },
  { method: 'GET', when: ['{q:hub.mode=denied}'], match: topic, answer: { status: 200 } },
];
