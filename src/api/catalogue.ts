import { changeOperations } from './changes.ts';
import { deliveryOperations } from './deliveries.ts';
import { destinationActionOperations } from './destination-actions.ts';
import { destinationOperations } from './destinations.ts';
import { eventTraceOperations } from './event-trace.ts';
import { eventOperations } from './events.ts';
import { eventTypeOperations } from './event-types.ts';
import { filterOperations } from './filters.ts';
import { keyOperations } from './keys.ts';
import type { Operation } from './operation.ts';
import { publishOperations } from './publish.ts';
import { rejectionOperations } from './rejections.ts';
import { replayOperations } from './replays.ts';
import { sourceRegistrationOperations } from './source-registration.ts';
import { sourceSecretOperations } from './source-secrets.ts';
import { sourceOperations } from './sources.ts';
import { statusOperations } from './status.ts';
import { subscriptionActionOperations } from './subscription-actions.ts';
import { subscriptionOperations } from './subscriptions.ts';

/** Everything that can be asked of the gateway, in the order in which the docs tell it. */
export const CATALOGUE: readonly Operation[] = [
  ...sourceOperations,
  ...sourceSecretOperations,
  ...sourceRegistrationOperations,
  ...destinationOperations,
  ...destinationActionOperations,
  ...subscriptionOperations,
  ...subscriptionActionOperations,
  ...eventTypeOperations,
  ...publishOperations,
  ...eventOperations,
  ...eventTraceOperations,
  ...deliveryOperations,
  ...replayOperations,
  ...rejectionOperations,
  ...filterOperations,
  ...keyOperations,
  ...changeOperations,
  ...statusOperations,
];
