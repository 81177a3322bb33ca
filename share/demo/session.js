// SPDX-License-Identifier: MIT
// One conversation over the network: events in, messages out. WebSocket where it can be had, else server-sent events, with messages by POST.
// Knows nothing of the page; docs/sessions.md has the events.
//
//   tickets ──> connect ──> WebSocket ── fails twice ──> SSE ── every now and then ──> is there a WebSocket by now?
//                  ^────── cut: later, from the last number on ──────┘
//
// Each event comes once: whatever is doubled on the way has a number that was seen. A message keeps its id until it is answered, however often it is
// sent: turnkeeper knows it again.

const FIRST_MS = 500, LONGEST_MS = 15000; // between tries to connect
const FAILURES = 2; // of the WebSocket, until SSE is used
const PROBE_MS = 10000; // with SSE: the first look for a WebSocket
const ANSWER_MS = 10000; // for a message or a ping
const PING_MS = 25000;
const TRIES = 5; // of a message that is neither accepted nor refused

// What was answered instead of what was asked for. status 0: nothing was.
export class Problem extends Error {
    constructor(status, text) {
        super(text);
        this.status = status;
    }
}

function sentence(body, otherwise) {
    const detail = Array.isArray(body.detail) ? body.detail.map((d) => `${(d.loc || []).slice(-1)}: ${d.msg}`).join('; ') : '';
    return [body.error || otherwise, detail].filter(Boolean).join(' ');
}

// A request to the API beside this page; the answer's JSON.
export async function ask(token, method, path, body) {
    let answer, result = {};
    try {
        answer = await fetch(new URL(`../api/v1/${path}`, document.baseURI), {
            method, cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(ANSWER_MS),
            headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) }, body: body && JSON.stringify(body),
        });
    } catch {
        throw new Problem(0, 'The server cannot be reached.');
    }
    try { result = await answer.json(); } catch { /* a web server's own page: its status says it */ }
    if (!answer.ok) throw new Problem(answer.status, sentence(result, `The server answers ${answer.status}.`));
    return result;
}

// Who a ticket is for: {sid, snd, typ, exp}, or {}. Only the server can tell whether it is genuine.
export function readTicket(ticket) {
    try {
        const bytes = atob(ticket.split('.')[0].replace(/-/g, '+').replace(/_/g, '/'));
        return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))));
    } catch {
        return {};
    }
}

export function randomId(prefix) {
    return prefix + Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('');
}

export class Session {
    // who: {id, sender, type, token?, ticket?}. on: event(e), reset(e), transport(name, why), delivery(message), ticket(text), over(why): it gives up
    constructor(who, on) {
        Object.assign(this, who);
        this.on = on;
        this.last = 0;
        this.failures = 0; // of WebSockets since one was open
        this.wait = FIRST_MS;
        this.outbox = new Map(); // what was not accepted so far, by message id
        window.addEventListener('online', this.hurry = () => this.timer && this.connect());
        this.connect();
    }

    path(rest = '') { return `chat/sessions/${encodeURIComponent(this.id)}${rest}`; }

    address(path) {
        const url = new URL(path, document.baseURI);
        url.search = new URLSearchParams({ ticket: this.ticket, after: this.last });
        return url;
    }

    close() {
        this.closed = true;
        this.opening = null;
        clearTimeout(this.timer);
        clearTimeout(this.probing);
        window.removeEventListener('online', this.hurry);
        this.drop();
    }

    drop() {
        clearInterval(this.pinging);
        this.socket?.close();
        this.stream?.close();
        this.socket = this.stream = null;
    }

    // ---- connections ----

    async connect() {
        clearTimeout(this.timer);
        this.timer = null;
        if (!await this.renew() || this.closed) return;
        if (this.failures < FAILURES) this.openSocket();
        else this.openStream();
    }

    // A ticket that is good for a while. False: not now, or not any more.
    async renew() {
        const left = this.ticket ? (readTicket(this.ticket).exp ?? Infinity) * 1000 - Date.now() : 0;
        try {
            if (this.token && (left < 60000 || this.doubtful)) {
                const made = await ask(this.token, 'POST', 'tickets', { session_id: this.id, sender_id: this.sender, sender_type: this.type });
                this.ticket = made.ticket;
                this.doubtful = false;
                this.on.ticket(made.ticket);
            }
        } catch (problem) {
            if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) this.giveUp(problem.message);
            else this.later(problem.message);
            return false;
        }
        if (this.token || left > 0) return true;
        this.giveUp('The ticket is over.');
        return false;
    }

    giveUp(why) {
        this.close();
        this.on.transport('offline', why);
        this.on.over(why);
    }

    later(why) {
        if (this.closed || this.timer) return;
        this.drop();
        this.on.transport('offline', why);
        this.timer = setTimeout(() => this.connect(), this.wait * (0.75 + Math.random() / 2));
        this.wait = Math.min(2 * this.wait, LONGEST_MS);
    }

    openSocket() {
        const url = this.address(`../ws/chat/${encodeURIComponent(this.id)}`);
        url.protocol = url.protocol.replace('http', 'ws');
        const socket = this.opening = new WebSocket(url);
        const late = setTimeout(() => socket.close(), ANSWER_MS);
        socket.onopen = () => {
            clearTimeout(late);
            if (this.opening !== socket) { socket.close(); return; }
            clearTimeout(this.timer);
            this.drop(); // a stream, until now
            this.timer = this.opening = null;
            this.socket = socket;
            this.failures = 0;
            this.pinging = setInterval(() => this.ping(socket), PING_MS);
            this.connected('WebSocket');
        };
        socket.onmessage = ({ data }) => {
            clearTimeout(this.ponging);
            const e = JSON.parse(data);
            if ('seq' in e) this.take(e);
            else if (e.type === 'accepted') this.settle(e.id, 'accepted');
            else if (e.type === 'error') this.settle(e.id, 'refused', sentence(e, 'It was refused.'));
        };
        socket.onclose = ({ code }) => {
            clearTimeout(late);
            if (code === 1009) for (const m of this.outbox.values()) this.settle(m.message_id, 'refused', 'The message is too large.');
            if (this.socket === socket) this.later('The connection was cut.');
            if (this.opening !== socket) return; // it was open, or is not wanted any more
            this.opening = null;
            this.failures++;
            this.doubtful = true; // a browser is not told why; perhaps it was the ticket
            if (this.stream) this.probe();
            else this.later('The WebSocket cannot be had.');
        };
    }

    openStream() {
        const stream = this.stream = new EventSource(this.address(`../api/v1/${this.path('/events')}`));
        stream.onopen = () => {
            if (this.stream !== stream) return;
            this.probeMs = PROBE_MS;
            this.probe();
            this.connected('SSE');
        };
        stream.onmessage = ({ data }) => this.stream === stream && this.take(JSON.parse(data));
        stream.onerror = () => {
            if (this.stream !== stream) return;
            this.doubtful = stream.readyState === EventSource.CLOSED; // answered, and not with a stream
            this.failures = FAILURES - 1; // the next try is a WebSocket, the one after that a stream
            this.later('The connection was cut.');
        };
    }

    // Looks for a WebSocket while there is a stream; what both tell comes once all the same.
    probe() {
        clearTimeout(this.probing);
        this.probing = setTimeout(async () => {
            if (this.stream && await this.renew() && this.stream) this.openSocket();
        }, this.probeMs);
        this.probeMs = Math.min(2 * this.probeMs, 60000);
    }

    connected(transport) {
        this.wait = FIRST_MS;
        this.on.transport(transport, '');
        for (const m of this.outbox.values()) if (m.state === 'sending') this.deliver(m);
    }

    // The keep-alives of the server are not shown to scripts; this finds out that nobody is there any more.
    ping(socket) {
        socket.send('{"type":"ping"}');
        clearTimeout(this.ponging);
        this.ponging = setTimeout(() => this.socket === socket && this.later('The server is silent.'), ANSWER_MS);
    }

    take(e) {
        if (e.type === 'reset') {
            this.last = e.seq; // lower than before when the numbers have begun anew
            this.on.reset(e);
        } else if (e.seq > this.last) {
            this.last = e.seq;
            if (e.type === 'message') this.settle(e.message_id, 'accepted'); // its answer may have been lost
            this.on.event(e);
        }
    }

    // ---- messages ----

    get canWrite() { return Boolean(this.socket || this.token || !this.stream); }

    send(content) {
        const m = { message_id: randomId('demo-'), content: content.toWellFormed?.() ?? content };
        this.outbox.set(m.message_id, m);
        this.again(m);
    }

    again(m) {
        Object.assign(m, { state: 'sending', error: '', tries: 0 });
        this.on.delivery(m);
        this.deliver(m);
    }

    deliver(m) {
        if (++m.tries > TRIES) { this.settle(m.message_id, 'refused', 'It was not answered.'); return; }
        const body = { message_id: m.message_id, content: m.content, sender_id: this.sender, sender_type: this.type };
        if (this.socket) {
            const socket = this.socket;
            socket.send(JSON.stringify({ id: m.message_id, ...body }));
            setTimeout(() => m.state === 'sending' && this.socket === socket && this.later('The server is silent.'), ANSWER_MS);
        } else if (this.stream && this.token) {
            this.posting = (this.posting ?? Promise.resolve()).then(() => this.post(m, body)); // in order
        } else if (this.stream) {
            this.settle(m.message_id, 'refused', 'There is no WebSocket: this page can only read.');
        }
    }

    async post(m, body) {
        if (m.state !== 'sending') return;
        try {
            await ask(this.token, 'POST', this.path('/messages'), body);
            this.settle(m.message_id, 'accepted');
        } catch (problem) {
            this.settle(m.message_id, 'refused', problem.message);
        }
    }

    settle(id, state, error = '') {
        const m = this.outbox.get(id);
        if (!m) return;
        Object.assign(m, { state, error });
        if (state === 'accepted') this.outbox.delete(id);
        this.on.delivery(m);
    }
}
