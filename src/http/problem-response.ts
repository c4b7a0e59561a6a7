import type { FastifyReply } from 'fastify';
import { Problem, PROBLEMS, type ProblemCode } from '../domain/problem.ts';

/** Where each code is explained. Relative, so that it is true wherever the gateway runs. */
export function problemType(code: ProblemCode): string {
  return `/docs/errors#${code}`;
}

/** RFC 9457, with `code`, `retryable`, `request_id` and `errors` as extension members. */
export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  return {
    type: problemType(problem.code),
    title: PROBLEMS[problem.code].title,
    status: problem.status,
    detail: problem.message,
    code: problem.code,
    retryable: problem.retryable,
    request_id: requestId,
    errors: problem.errors,
  };
}

/** An answer over HTTP. */
export interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function problemAnswer(problem: Problem, requestId: string): PlainAnswer {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json; charset=utf-8' };
  if (problem.retryAfterS !== null) headers['retry-after'] = String(problem.retryAfterS);
  else if (problem.status === 503) headers['retry-after'] = '5';
  if (problem.status === 401 && problem.code === 'credentials_missing')
    headers['www-authenticate'] = 'Bearer';
  return { status: problem.status, headers, body: JSON.stringify(problemBody(problem, requestId)) };
}

export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): FastifyReply {
  const { status, headers, body } = problemAnswer(problem, requestId);
  return reply.code(status).headers(headers).send(body);
}
