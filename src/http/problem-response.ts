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

export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): FastifyReply {
  if (problem.retryAfterS !== null) void reply.header('retry-after', String(problem.retryAfterS));
  else if (problem.status === 503) void reply.header('retry-after', '5');
  if (problem.status === 401 && problem.code === 'credentials_missing') {
    void reply.header('www-authenticate', 'Bearer');
  }
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify(problemBody(problem, requestId)));
}
