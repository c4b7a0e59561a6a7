import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import { DESTINATIONS, type DestinationName, type Ledger, type Receipt } from './ledger.ts';

/** What a receiver can do to a request. Only the first is what it should. */
export const MANNERS = {
  accepts: 'answers 200',
  hangs: 'never answers',
  drips: 'answers 200 and then one byte at a time',
  resets: 'breaks the connection off without an answer',
  resets_midway: 'breaks the connection off in the middle of its answer',
  redirects: 'answers 302',
  floods: 'answers 200 with 50 MB',
  fails: 'answers 500',
  accepts_and_dies: 'answers 200 and breaks the connection off',
  refuses: 'answers 422, always: such a delivery must end as dead',
} as const;
export type Manner = keyof typeof MANNERS;

const FLOOD_BYTES = 50 * 1024 * 1024;
const FLOOD_CHUNK = Buffer.alloc(256 * 1024, 'x');

/** The destinations of a run: one server that books what comes and behaves as it is told. */
export class Receivers {
  readonly #ledger: Ledger;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** How to treat the next request; set for each round. */
  manner: (destination: DestinationName) => Manner = () => 'accepts';
  /** Milliseconds before an answer. */
  latencyMs: () => number = () => 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#server = createServer((request, response) => this.#take(request, response));
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      // Gateways are killed; their connections break.
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  url(destination: DestinationName): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${destination}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const parsed = parse(body);
      const destination = DESTINATIONS.find((name) => request.url === `/${name}`);
      if (parsed === null || destination === undefined) {
        this.#ledger.violate('unexpected', `${request.url} got a body that nobody sent: ${body.toString()}`);
        response.end();
        return;
      }
      const receipt = this.#ledger.arrive({
        ref: parsed.ref,
        digest: digestOf(body),
        eventId: String(request.headers['webhook-id']),
        destination,
        deliveryId: String(request.headers['ringback-delivery']),
        attempt: Number(request.headers['ringback-attempt']),
        node: String(request.headers['chaos-node']),
      });
      if (receipt === null) {
        response.end();
        return;
      }
      response.on('close', () => this.#ledger.end(receipt, 'broke_off'));
      const manner = parsed.poison && destination === 'rough' ? 'refuses' : this.manner(destination);
      setTimeout(() => this.#answer(manner, receipt, response), this.latencyMs());
    });
  }

  #answer(manner: Manner, receipt: Receipt, response: ServerResponse): void {
    if (response.destroyed) return;
    // Before the answer goes out: whatever follows from it comes after this moment.
    if (manner !== 'hangs' && manner !== 'drips') {
      const accepts = ['accepts', 'floods', 'accepts_and_dies'].includes(manner);
      this.#ledger.end(receipt, accepts ? 'accepted' : 'refused');
    }
    ANSWERS[manner](response);
  }
}

const ANSWERS: Readonly<Record<Manner, (response: ServerResponse) => void>> = {
  accepts: (response) => response.end(),
  hangs: () => undefined,
  drips: (response) => {
    response.writeHead(200).flushHeaders();
    const timer = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(timer));
  },
  resets: (response) => response.socket?.resetAndDestroy(),
  resets_midway: (response) => {
    response.writeHead(200, { 'content-length': 100 }).write('0123456789', () => {
      response.socket?.resetAndDestroy();
    });
  },
  redirects: (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  floods: (response) => {
    let left = FLOOD_BYTES;
    const pump = (): void => {
      while (left > 0 && !response.destroyed) {
        left -= FLOOD_CHUNK.length;
        if (!response.write(FLOOD_CHUNK)) {
          response.once('drain', pump);
          return;
        }
      }
      response.end();
    };
    pump();
  },
  fails: (response) => response.writeHead(500).end('no'),
  accepts_and_dies: (response) => {
    response.shouldKeepAlive = false;
    response.end('ok', () => response.socket?.destroySoon());
  },
  refuses: (response) => response.writeHead(422).end('never'),
};

/** Rough manners by chance, mild enough that most deliveries succeed within their attempts. */
export function roughManners(random: SeededRandomness): (destination: DestinationName) => Manner {
  const bad = ['hangs', 'drips', 'resets', 'resets_midway', 'redirects', 'floods', 'fails'] as const;
  return (destination) => {
    const chance = random.fraction();
    if (destination !== 'rough') return chance < 0.05 ? 'fails' : 'accepts';
    if (chance < 0.55) return 'accepts';
    if (chance < 0.65) return 'accepts_and_dies';
    return bad[Math.floor(random.fraction() * bad.length)] ?? 'fails';
  };
}

export function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64');
}

function parse(body: Buffer): { readonly ref: string; readonly poison: boolean } | null {
  try {
    const { data } = JSON.parse(body.toString()) as { data?: { ref?: unknown; poison?: unknown } };
    return typeof data?.ref === 'string' ? { ref: data.ref, poison: data.poison === true } : null;
  } catch {
    return null;
  }
}
