import type { FastifyInstance } from 'fastify';
import { smeeStream } from '../api/smee.ts';
import type { HttpContext } from './http-context.ts';
import { lastEventId, type StreamStyle, type Streams } from './stream.ts';

/** Readers of one channel at a time: its URL is all that they need, so their number is bounded. */
const READERS_OF_A_CHANNEL = 50;

/** `GET /smee/:channel`: what clients of smee.io read, for sources that have it switched on. */
export function smeeRoute(app: FastifyInstance, context: HttpContext, streams: Streams): void {
  const options = { exposeHeadRoute: false };
  app.get<{ Params: { channel: string } }>('/smee/:channel', options, (request, reply) => {
    const { channel } = request.params;
    return streams.serve(request, reply, SMEE_STYLE, (signal) => ({
      reader: `channel ${channel}`,
      messages: smeeStream(context, channel, lastEventId(request), signal),
    }));
  });
}

/**
 * As smee.io writes it: `ready` once, `ping` while nothing comes, a message without a name for each
 * request. Ours carry ids, which every reader of event streams sends back when it has lost the line.
 */
const SMEE_STYLE: StreamStyle = {
  maxOfOne: READERS_OF_A_CHANNEL,
  limit: `a channel has up to ${READERS_OF_A_CHANNEL} readers`,
  opening: (place) => `retry: 1000\nid: ${place}\nevent: ready\ndata: {}\n\n`,
  text: ({ id, event, data }) => {
    if (event === undefined) return `id: ${id}\nevent: ping\ndata: {}\n\n`;
    const name = event === 'message' ? '' : `event: ${event}\n`;
    return `id: ${id}\n${name}data: ${JSON.stringify(data)}\n\n`;
  },
};
