import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { EXPLANATIONS } from '../src/domain/problem-explanations.ts';
import { PROBLEMS, type ProblemCode } from '../src/domain/problem.ts';
import { writeOrCheck } from './generated-file.ts';

const TARGET = 'docs/reference/errors.md';

const INTRODUCTION = `# Errors

<!-- Made by scripts/generate-error-reference.ts from src/domain/problem.ts and problem-explanations.ts: change those. -->

Every error answer is \`application/problem+json\` (RFC 9457):

\`\`\`json
{
  "type": "/docs/errors#validation_failed",
  "title": "The request has invalid fields",
  "status": 422,
  "detail": "/name: is not a field of this request",
  "code": "validation_failed",
  "retryable": false,
  "request_id": "req_01m2...",
  "errors": [{ "pointer": "/name", "message": "is not a field of this request" }]
}
\`\`\`

Branch on \`code\`: it is part of the contract. \`title\` and \`detail\` are for people and may change.
\`retryable\` says whether the very same request may succeed later; a \`Retry-After\` header, in seconds, says
when. \`request_id\` finds the request in the log and, for requests refused at a source, under
\`GET /v1/rejections/{request_id}\`. \`errors\` names each wrong field with a JSON pointer; pointers into the
query begin with \`/query\`, into the path with \`/path\`, and into the body with the field itself.

The statuses below are ours. A few senders insist on another one for a request that is not proven; then the
source answers with that, and the code stays the same.
`;

function reference(): string {
  const codes = Object.keys(PROBLEMS).filter((code): code is ProblemCode => Object.hasOwn(PROBLEMS, code));
  const rows = codes.map((code) => {
    const { status, retryable, title } = PROBLEMS[code];
    return `| [\`${code}\`](#${code}) | ${status} | ${retryable ? 'yes' : 'no'} | ${title} |`;
  });
  const sections = codes.flatMap((code) => {
    const { status, retryable } = PROBLEMS[code];
    const { meaning, fix } = EXPLANATIONS[code];
    const again = retryable ? 'may succeed when sent again' : 'fails again unless something is changed';
    return [`## ${code}`, '', `Status ${status}; ${again}. ${meaning}`, '', `**Fix.** ${fix}`, ''];
  });
  const head = '| code | status | retryable | title |\n| --- | --- | --- | --- |';
  return [INTRODUCTION, head, ...rows, '', ...sections].join('\n');
}

const path = fileURLToPath(new URL(`../${TARGET}`, import.meta.url));
// As `prettier --check` wants it, or the two checks could never both pass.
writeOrCheck(TARGET, await format(reference(), { ...(await resolveConfig(path)), filepath: path }));
