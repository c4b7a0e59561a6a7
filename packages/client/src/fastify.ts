import type { NodeRequest } from './node.ts';
import { incomingFromNode } from './node.ts';
import { BodyCollector } from './receive/incoming.ts';
import type { Receiver } from './receive/receiver.ts';

/** What is used of a Fastify request. */
interface FastifyRequestLike {
  readonly raw: NodeRequest;
  readonly body: unknown;
}

/** What is used of a Fastify reply. */
interface FastifyReplyLike {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(payload?: string): unknown;
}

/** What is used of a Fastify instance. */
export interface FastifyLike {
  removeAllContentTypeParsers(): unknown;
  addContentTypeParser(
    contentType: string,
    options: { parseAs: 'buffer'; bodyLimit: number },
    parser: (request: unknown, body: unknown) => Promise<unknown>,
  ): unknown;
  route(options: {
    method: string[];
    url: string;
    handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>;
  }): unknown;
}

/**
 * Makes a receiver a plugin: `app.register(fastifyReceiver(receiver), { url: '/hook' })`.
 *
 * Inside the plugin bodies stay bytes; the parsers of the rest of the application are as they were.
 */
export function fastifyReceiver(receiver: Receiver) {
  return async (app: FastifyLike, { url = '/' }: { readonly url?: string }): Promise<void> => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: receiver.maxBodyBytes },
      async (_request, body) => body,
    );
    app.route({
      // Some providers ask with GET or OPTIONS whether the address is theirs.
      method: ['GET', 'OPTIONS', 'POST'],
      url,
      handler: async (request, reply) => {
        const answer = await receiver.handle({
          ...incomingFromNode(request.raw),
          readBody: async (maxBytes) => {
            const collected = new BodyCollector(maxBytes);
            if (request.body instanceof Uint8Array) collected.add(request.body);
            return collected.whole();
          },
        });
        reply.code(answer.status);
        reply.headers({ ...answer.headers });
        return reply.send(answer.body);
      },
    });
  };
}
