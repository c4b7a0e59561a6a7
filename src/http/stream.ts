import { once } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { eventStream } from '../api/stream.ts';
import type { HttpContext } from './http-context.ts';
import { sendProblem } from './problem-response.ts';
import { authenticated } from './rest.ts';

/** `GET /v1/stream`: server-sent events (WHATWG HTML, section 9.2). Returns how to end all streams. */
export function streamRoute(app: FastifyInstance, context: HttpContext): () => void {
  const open = new Set<AbortController>();
  app.get('/v1/stream', async (request, reply) => {
    const controller = new AbortController();
    let messages;
    let start;
    try {
      const lastEventId = request.headers['last-event-id'];
      const resumeAt = Array.isArray(lastEventId) ? lastEventId.at(-1) : lastEventId;
      messages = eventStream(
        await authenticated(context, request),
        request.query,
        resumeAt,
        controller.signal,
      );
      // The place first: what is accepted once the reader has our answer must be in its stream.
      start = await messages.next();
    } catch (error) {
      return sendProblem(reply, context.asProblem(error, request.id), request.id);
    }
    reply.hijack();
    const { raw } = reply;
    open.add(controller);
    raw.on('close', () => controller.abort());
    if (raw.destroyed) controller.abort();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    raw.write(`retry: 1000\n${start.done === true ? '' : `id: ${start.value.id}\n`}\n`);
    try {
      for await (const message of messages) {
        const text =
          'event' in message
            ? `id: ${message.id}\nevent: ${message.event}\ndata: ${JSON.stringify(message.data)}\n\n`
            : `: idle\nid: ${message.id}\n\n`;
        // A reader that is slower than the log waits here; nothing piles up in memory for it.
        if (!raw.write(text)) await once(raw, 'drain', { signal: controller.signal });
      }
    } catch (error) {
      if (!controller.signal.aborted) context.log.error('stream.failed', { request_id: request.id }, error);
    } finally {
      open.delete(controller);
      raw.end();
    }
    return reply;
  });
  return () => {
    for (const controller of open) controller.abort();
  };
}
