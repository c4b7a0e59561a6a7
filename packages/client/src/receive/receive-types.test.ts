import { describe, expectTypeOf, it } from 'vitest';
import type { RingbackEvents } from './event-types.ts';
import { receive } from './receive.ts';

const SECRET = `whsec_${btoa('a secret of 24 bytes ....')}`;

describe('the types', () => {
  it('narrow the data by the type, and leave room for others', () => {
    interface Mine extends RingbackEvents {
      readonly 'order.paid': { readonly total: number };
      readonly 'order.sent': { readonly parcel: string };
    }
    receive<Mine>({
      secret: SECRET,
      onEvent: (event) => {
        if (event.is('order.paid')) expectTypeOf(event.data.total).toBeNumber();
        else if (event.is('delivery.died')) expectTypeOf(event.data.reason).toBeString();
        else expectTypeOf(event.data).toBeUnknown();
      },
    });
    receive({
      secret: SECRET,
      onEvent: (event) => {
        expectTypeOf(event.data).toBeUnknown();
      },
    });
  });
});
