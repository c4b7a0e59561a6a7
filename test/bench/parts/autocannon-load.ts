import autocannon from 'autocannon';
import { signedPush } from './github-push.ts';

const [, , url = '', secret = '', seconds = '5', connections = '64'] = process.argv;
const { body, headers } = signedPush(secret);
let count = 0;
const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  requests: [
    {
      method: 'POST',
      body,
      setupRequest: (request) => {
        count += 1;
        return { ...request, headers: { ...headers, 'x-github-delivery': `${process.pid}-${count}` } };
      },
    },
  ],
});
process.stdout.write(
  JSON.stringify({
    perSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    non2xx: result.non2xx + result.errors,
    requests: result.requests.total,
  }),
);
