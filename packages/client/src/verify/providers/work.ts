import type { ProviderTable } from '../provider.ts';
import { bodyMac, shownToken } from '../scheme-shapes.ts';

/** Work management and forms. */
export const workProviders: ProviderTable = {
  asana: {
    evidence: 'secondary',
    scheme: bodyMac('x-hook-signature'),
    type: ['{json:events[*].resource.resource_type}.{json:events[*].action}', 'batch'],
    key: ['{json:events[*].resource.gid}'],
    time: ['iso json:events[*].created_at'],
    handshakes: [
      {
        when: ['{h:x-hook-secret}'],
        learns: '{h:x-hook-secret}',
        answer: { status: 200, headers: { 'x-hook-secret': '{h:x-hook-secret}' } },
      },
    ],
  },
  calcom: {
    evidence: 'secondary',
    scheme: bodyMac('x-cal-signature-256'),
    type: ['{json:triggerEvent}'],
    id: ['{json:triggerEvent}.{json:payload.uid}.{json:createdAt}'],
    key: ['{json:payload.uid}'],
    time: ['iso json:createdAt'],
  },
  calendly: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'calendly-webhook-signature', list: ',', kv: '=', pick: 'v1', enc: 'hex' },
      ts: { from: 'sig:t', unit: 's', past: 180, future: 180 },
      content: '{ts}.{body}',
    },
    type: ['{json:event}'],
    id: ['{json:event}.{json:payload.uri}.{json:created_at}'],
    key: ['{json:payload.uri}'],
    time: ['iso json:created_at'],
  },
  figma: {
    evidence: 'secondary',
    scheme: shownToken('json:passcode'),
    type: ['{json:event_type}'],
    id: ['{json:event_type}.{json:webhook_id}.{json:timestamp}'],
    key: ['{json:file_key}'],
    time: ['iso json:timestamp'],
    answer: { status: 200 },
  },
  jira: {
    evidence: 'docs',
    scheme: bodyMac('x-hub-signature', { prefix: 'sha256=' }),
    type: ['{json:webhookEvent}'],
    id: ['{h:x-atlassian-webhook-identifier}'],
    key: ['{json:issue.key}', '{json:sprint.id}', '{json:version.id}'],
    time: ['ms json:timestamp'],
  },
  linear: {
    evidence: 'sdk',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha256',
      sig: { header: 'linear-signature', enc: 'hex' },
      ts: { from: 'json:webhookTimestamp', unit: 'ms', past: 60, future: 60 },
      content: '{body}',
    },
    type: ['{json:type}.{json:action}', '{json:type}', '{h:linear-event}'],
    id: ['{h:linear-delivery}'],
    key: [
      '{json:data.issue.identifier}',
      '{json:data.identifier}',
      '{json:agentSession.issue.identifier}',
      '{json:data.id}',
    ],
    time: ['iso json:createdAt', 'ms json:webhookTimestamp'],
    answer: { status: 200 },
  },
  monday: {
    evidence: 'recall',
    type: ['{json:event.type}'],
    id: ['{json:event.triggerUuid}'],
    key: ['{json:event.pulseId}', '{json:event.boardId}'],
    time: ['iso json:event.triggerTime'],
    handshakes: [
      { when: ['{json:challenge}'], answer: { status: 200, json: { challenge: '{json:challenge}' } } },
    ],
  },
  smartsheet: {
    evidence: 'secondary',
    scheme: bodyMac('smartsheet-hmac-sha256'),
    type: ['{json:events[*].objectType}.{json:events[*].eventType}', 'batch'],
    id: ['{json:nonce}'],
    key: ['{json:scopeObjectId}'],
    time: ['iso json:timestamp'],
    handshakes: [
      {
        when: ['{h:smartsheet-hook-challenge}'],
        answer: { status: 200, headers: { 'smartsheet-hook-response': '{h:smartsheet-hook-challenge}' } },
      },
    ],
  },
  tally: {
    evidence: 'secondary',
    scheme: bodyMac('tally-signature', { enc: 'base64' }),
    type: ['{json:eventType}'],
    id: ['{json:eventId}'],
    key: ['{json:data.formId}'],
    time: ['iso json:createdAt'],
  },
  trello: {
    evidence: 'secondary',
    scheme: {
      kind: 'mac',
      alg: 'hmac-sha1',
      sig: { header: 'x-trello-webhook', enc: 'base64' },
      content: '{body}{url}',
    },
    type: ['{json:action.type}'],
    id: ['{json:action.id}'],
    key: ['{json:action.data.card.id}', '{json:model.id}'],
    time: ['iso json:action.date'],
    answer: { status: 200 },
    handshakes: [{ method: 'HEAD', answer: { status: 200 } }],
  },
  typeform: {
    evidence: 'secondary',
    scheme: bodyMac('typeform-signature', { enc: 'base64', prefix: 'sha256=' }),
    type: ['{json:event_type}'],
    id: ['{json:event_id}'],
    key: ['{json:form_response.form_id}'],
    time: ['iso json:form_response.submitted_at'],
  },
};
