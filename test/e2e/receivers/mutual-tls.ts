import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LOCALHOST, TEST_AUTHORITY } from './test-authority.ts';

/** A receiver that lets in only whom the test's authority vouches for; it answers with their names. */
export interface MutualTlsReceiver {
  readonly url: string;
  /** Who was let in, by connection, in the order in which they connected. */
  identities(): string[];
  close(): Promise<void>;
}

export async function startMutualTlsReceiver(): Promise<MutualTlsReceiver> {
  const identities: string[] = [];
  const sockets = new Set<Socket>();
  const options = { ...LOCALHOST, ca: TEST_AUTHORITY, requestCert: true, rejectUnauthorized: true };
  const server = createServer(options, (request, response) => {
    request.resume().on('end', () => response.end(nameOf(request.socket as TLSSocket)));
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('secureConnection', (socket: TLSSocket) => identities.push(nameOf(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    identities: () => [...identities],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function nameOf(socket: TLSSocket): string {
  const name = socket.getPeerCertificate().subject.CN;
  return Array.isArray(name) ? name.join() : (name ?? '');
}
