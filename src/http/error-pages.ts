import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { EXPLANATIONS } from '../domain/problem-explanations.ts';
import { isProblemCode, Problem, type ProblemCode, PROBLEMS } from '../domain/problem.ts';
import { sendProblem } from './problem-response.ts';

const CODES = Object.keys(PROBLEMS).filter(isProblemCode);

/**
 * `GET /docs/errors` and `/docs/errors/{code}`: what the `type` of a problem leads to. Made from the
 * registry that the problems come from, and open to all: whoever got an error may have no key.
 */
export function errorPages(app: FastifyInstance): void {
  app.get('/docs/errors', (request, reply) => sendPage(request, reply, CODES));
  app.get<{ Params: { code: string } }>('/docs/errors/:code', (request, reply) => {
    const { code } = request.params;
    if (isProblemCode(code)) return sendPage(request, reply, [code]);
    return sendProblem(reply, new Problem('not_found', 'there is no error code of this name'), request.id);
  });
}

function sendPage(request: FastifyRequest, reply: FastifyReply, codes: readonly ProblemCode[]): FastifyReply {
  // One URL, two answers: a cache must not give a person's to a program.
  void reply.header('vary', 'accept').header('x-content-type-options', 'nosniff');
  if (!(request.headers.accept ?? '').includes('text/html')) {
    return reply.type('text/plain; charset=utf-8').send(codes.map((code) => plainText(code)).join('\n'));
  }
  return reply
    .type('text/html; charset=utf-8')
    .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
    .send(page(codes));
}

function again(code: ProblemCode): string {
  return PROBLEMS[code].retryable ? 'may succeed when sent again' : 'fails again unless something is changed';
}

function plainText(code: ProblemCode): string {
  const { meaning, fix } = EXPLANATIONS[code];
  const { status, title } = PROBLEMS[code];
  return `${code}\n  ${title}. Status ${status}; ${again(code)}.\n  ${meaning}\n  Fix: ${fix}\n`;
}

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em}' +
  'h2{margin:2em 0 0;font-family:ui-monospace,monospace}code{background:#8882;padding:0 .2em}';

function page(codes: readonly ProblemCode[]): string {
  const sections = codes.map((code) => {
    const { meaning, fix } = EXPLANATIONS[code];
    const { status, title } = PROBLEMS[code];
    return (
      `<h2 id="${code}">${code}</h2><p>${html(title)}. Status ${status}; ${again(code)}.</p>` +
      `<p>${html(meaning)}</p><p><strong>Fix.</strong> ${html(fix)}</p>`
    );
  });
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width,initial-scale=1">' +
    `<title>Ringback: errors</title><style>${STYLE}</style><h1>Errors</h1>${sections.join('')}</html>`
  );
}

/** Our own text, which has nothing of Markdown in it but code. */
function html(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return escaped.replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}
