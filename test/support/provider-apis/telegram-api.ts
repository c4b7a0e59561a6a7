import type { FakeApi } from './http-fake.ts';
import { serveApi } from './http-fake.ts';

interface Bot {
  url: string;
  secretToken: string;
  allowedUpdates: string[];
}

/** Telegram's Bot API: one webhook a bot, https only, errors as `description`. */
export async function telegramApi(token: string): Promise<FakeApi & { bot: Bot }> {
  const bot: Bot = { url: '', secretToken: '', allowedUpdates: [] };
  const api = await serveApi((request) => {
    const [, given, method] = /^\/bot([^/]+)\/(\w+)$/.exec(request.path) ?? [];
    if (given !== token) return { status: 401, body: failure(401, 'Unauthorized') };
    if (method === 'getWebhookInfo') {
      const info = { url: bot.url, has_custom_certificate: false, pending_update_count: 0 };
      const updates = bot.allowedUpdates.length === 0 ? {} : { allowed_updates: bot.allowedUpdates };
      return { status: 200, body: { ok: true, result: { ...info, ...updates } } };
    }
    if (method !== 'setWebhook') return { status: 404, body: failure(404, 'Not Found') };
    const { url, secret_token: secretToken = '', allowed_updates: allowedUpdates = [] } = request.json();
    if (!String(url).startsWith('https://')) {
      const why = 'Bad Request: bad webhook: An HTTPS URL must be provided for webhook';
      return { status: 400, body: failure(400, why) };
    }
    if (!/^[A-Za-z0-9_-]{0,256}$/.test(String(secretToken))) {
      return { status: 400, body: failure(400, 'Bad Request: secret token contains unallowed characters') };
    }
    Object.assign(bot, { url, secretToken, allowedUpdates });
    return { status: 200, body: { ok: true, result: true, description: 'Webhook was set' } };
  });
  return { ...api, bot };
}

function failure(code: number, description: string) {
  return { ok: false, error_code: code, description };
}
