// The node's JSON API. The token, if there is one, lives in this tab only: sessionStorage.

const kToken = 'cairn-token';
const kTimeoutMs = 5000;

// `reason`: the API's, or "UNREACHABLE".
export class ApiError extends Error {
  constructor(status, reason, message, details = {}) {
    super(message);
    Object.assign(this, {status, reason, details});
  }
}

export function setToken(token) {
  if (token === '') sessionStorage.removeItem(kToken);
  else sessionStorage.setItem(kToken, token);
}

async function send(path, options) {
  const token = sessionStorage.getItem(kToken);
  const headers = {
    ...options.headers,
    ...(token === null ? {} : {Authorization: `Bearer ${token}`}),
  };
  let response;
  try {
    response = await fetch(`api/v1/${path}`, {
      ...options,
      headers,
      signal: AbortSignal.timeout(kTimeoutMs),
    });
  } catch {
    throw new ApiError(
      0,
      'UNREACHABLE',
      `${location.host} does not answer. Is its process running?`,
    );
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // No JSON: something between this page and the node has answered.
  }
  if (response.ok && body !== null) return body;
  const error = body?.error ?? {};
  if (response.status === 401) document.dispatchEvent(new CustomEvent('cairn-need-token'));
  throw new ApiError(
    response.status,
    error.reason || (response.status === 401 ? 'UNAUTHENTICATED' : ''),
    error.message ?? `${location.host} answered ${response.status}`,
    error,
  );
}

// get('logs', {contains: 'x', limit: 25}); parameters that are undefined are left out.
export function get(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(given).toString();
  return send(query === '' ? path : `${path}?${query}`, {method: 'GET'});
}

export function post(path, body) {
  return send(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {'Content-Type': 'application/json', 'X-Cairn-Console': '1'},
  });
}
