// SPDX-License-Identifier: MIT
// The page: a form that opens a conversation, and the conversation. What comes from outside becomes text nodes and nothing else.
import { Session, ask, randomId, readTicket } from './session.js';

const $ = (id) => document.getElementById(id);
const QUIET_MS = 800; // after which what comes is new, and read out
const SILENT_MINUTES = 30;
const kept = (() => { try { return window.sessionStorage; } catch { return null; } })(); // tickets, for reloads; browsers may forbid it

let session = null, me = null, made = '', bot = null; // bot: {status, check_reply, check_reply_until} as far as is known
let lines = new Map(), day = '', typing = new Set(), silentTimer = null;

// ---- what is shown ----

function element(name, classes, text) {
    const e = document.createElement(name);
    e.className = classes;
    if (text !== undefined) e.textContent = text;
    return e;
}

function clock(seconds) {
    const when = new Date(seconds * 1000);
    const e = element('time', '', when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
    e.dateTime = when.toISOString();
    e.title = when.toLocaleString();
    return e;
}

// One more line at the end. The style sheet keeps the end in view, unless somebody reads further up.
function append(line, seconds) {
    const today = new Date(seconds * 1000).toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
    if (today !== day) $('log').append(element('li', 'day', day = today));
    $('log').append(line);
    $('empty').hidden = true;
    if (line.classList.contains('own')) $('scroll').scrollTop = 0;
}

function note(key, text, seconds, classes = '') {
    if (key && lines.has(key)) return;
    const line = element('li', `note ${classes}`, text);
    if (key) lines.set(key, line);
    append(line, seconds);
}

// What somebody said: one line a key, however often it is told.
function said(key, classes, name, content, seconds) {
    let line = lines.get(key);
    if (line) {
        line.querySelector('time').replaceWith(clock(seconds));
        return line;
    }
    line = element('li', classes);
    const meta = element('div', 'meta', `${name} · `);
    meta.append(clock(seconds));
    line.append(meta, element('div', 'bubble', content));
    lines.set(key, line);
    append(line, seconds);
    return line;
}

function nameOf(type, id) {
    if (type === me.type && id === me.sender) return 'You';
    return { user: `Customer ${id}`, agent: `Colleague ${id}`, bot: 'Bot', system: 'System' }[type] ?? id;
}

function showTyping() { $('typing').textContent = typing.size ? 'The bot is writing' : ''; }

// ---- events ----

const reasons = {
    ai_unreachable: 'the AI service cannot be reached', ai_circuit_open: 'the AI service fails too often at the moment',
    ai_refused: 'the AI service refused the request', ai_invalid_answer: 'the AI service gave no valid answer',
    platform_unreachable: 'the chat platform cannot be reached', platform_circuit_open: 'the chat platform fails too often at the moment',
    platform_busy: 'the chat platform takes no more at the moment',
    bot_unusable: 'the bot is not set up properly', bot_paused: 'a person has taken over', superseded: 'something newer came',
    cancelled: 'somebody cancelled it', owners_lost: 'each process that worked on it was lost',
};
const because = (reason) => reason ? `: ${reasons[reason] ?? reason.replace(/_/g, ' ')}.` : '.';

const handlers = {
    message(e) {
        const own = e.sender_type === me.type && e.sender_id === me.sender;
        const line = said(`message ${e.message_id}`, `${own ? 'own ' : ''}${e.sender_type}`, nameOf(e.sender_type, e.sender_id), e.content, e.at);
        if (!line.told) $('log').append(line); // what was written here stands at its end until it is told, and then where it belongs
        line.told = true;
        const files = e.attachments?.length ?? 0;
        if (files && !line.querySelector('.files')) line.append(element('div', 'delivery files', `${files} attached`));
    },
    reply(e) {
        const others = (e.actions ?? []).map((a) => a.type ?? a.action).filter((type) => type && type !== 'send_message');
        typing.delete(e.job_id);
        if (e.content) {
            const line = said(`reply ${e.job_id}`, 'bot', 'Bot', e.content, e.at);
            if (e.status === 'unknown') line.append(element('div', 'delivery', 'Nobody knows whether the platform has it'));
        }
        if (others.length || !e.content)
            note(`actions ${e.job_id}`, others.length ? `The bot did: ${others.join(', ').replace(/_/g, ' ')}` : 'The bot had nothing to say.', e.at);
    },
    typing(e) {
        if (e.typing) typing.add(e.job_id);
        else typing.delete(e.job_id);
    },
    job(e) {
        typing.delete(e.job_id);
        if (e.status === 'failed') note(`job ${e.job_id}`, `There is no reply${because(e.reason)}`, e.at, 'failed');
        if (e.status === 'cancelled') note(`job ${e.job_id}`, `The reply was cancelled${because(e.reason)}`, e.at);
    },
    status(e) { showState(e); },
};

function showState(state) {
    const until = state.check_reply_until;
    bot = { status: state.status, check_reply: state.check_reply || Boolean(until) && until * 1000 <= Date.now(), check_reply_until: until };
    const texts = [];
    if (bot.status !== 'active') texts.push(`This conversation is ${bot.status}.`);
    if (!bot.check_reply)
        texts.push(`The bot is silent${until ? ` until ${clock(until).textContent}` : ''}: a person has the conversation.`);
    $('state').textContent = texts.join(' ');
    $('state').hidden = !texts.length;
    $('bot').textContent = bot.check_reply ? 'Silence the bot' : 'Let the bot reply';
    $('bot').setAttribute('aria-pressed', String(!bot.check_reply));
    clearTimeout(silentTimer);
    if (!bot.check_reply && until) silentTimer = setTimeout(() => showState(bot), Math.min(until * 1000 - Date.now() + 50, 2 ** 31 - 1));
}

async function readState() {
    if (!me?.token) return;
    try {
        showState(await ask(me.token, 'GET', session.path()));
    } catch (problem) {
        if (problem.status !== 404) note('', `The state of the conversation cannot be read. ${problem.message}`, Date.now() / 1000);
    }
}

const on = {
    event(e) {
        handlers[e.type]?.(e); // a type that is not known is none of ours
        showTyping();
        quiet();
    },
    reset(e) {
        typing.clear();
        showTyping();
        note('', e.missed ? `${e.missed} earlier events are not kept any more.` : 'Something may have been missed.', Date.now() / 1000);
        readState();
    },
    transport(name, why) {
        $('transport').hidden = false;
        $('transport').textContent = name;
        $('transport').dataset.is = name;
        $('transport').title = why;
        $('text').disabled = !session?.canWrite && name === 'SSE';
        $('text').placeholder = $('text').disabled ? 'There is no WebSocket, and no token to send with: this page can only read.' : 'Write a message';
        $('write').querySelector('button').disabled = $('text').disabled;
        quiet();
    },
    delivery(m) {
        const line = said(`message ${m.message_id}`, `own ${me.type}`, 'You', m.content, Date.now() / 1000);
        line.querySelector('.delivery:not(.files)')?.remove();
        line.classList.remove('sending', 'refused');
        if (m.state !== 'accepted') line.classList.add(m.state);
        const state = element('div', 'delivery', { sending: 'Sending', accepted: 'Accepted', refused: `Not sent. ${m.error}` }[m.state]);
        if (m.state === 'refused') {
            const again = element('button', '', 'Try again');
            again.type = 'button';
            again.onclick = () => session.again(m);
            state.append(again);
        }
        line.append(state);
    },
    ticket(ticket) { kept?.setItem(`ticket ${me.id}`, ticket); },
    over(why) {
        kept?.removeItem(`ticket ${me.id}`);
        showSetup(why);
    },
};

// The past is not read out; what comes after a moment of quiet is.
let quietTimer = null;
function quiet() {
    if ($('log').getAttribute('aria-live') === 'polite') return;
    clearTimeout(quietTimer);
    quietTimer = setTimeout(() => $('log').setAttribute('aria-live', 'polite'), QUIET_MS);
}

// ---- opening ----

const fragment = () => new URLSearchParams(location.hash.slice(1));

function showSetup(why = '') {
    $('chat').hidden = true;
    $('setup').hidden = false;
    $('wrong').textContent = why;
    $('session').value = me?.id || fragment().get('session') || (made ||= randomId('demo-').slice(0, 13));
    $('sender').value = me?.sender || $('sender').value || randomId('visitor-').slice(0, 14);
    $('ticket').value = '';
    $('token').focus();
}

function open(who) {
    session?.close();
    if (me && (me.id !== who.id || me.sender !== who.sender || me.type !== who.type)) clear();
    me = who;
    const hash = fragment();
    hash.set('session', who.id);
    if (who.token) hash.delete('ticket');
    history.replaceState(null, '', `#${hash}`);
    $('who').textContent = `${who.id}, as ${who.type === 'agent' ? 'colleague' : 'customer'} ${who.sender}`;
    $('setup').hidden = true;
    $('chat').hidden = false;
    $('tools').hidden = !who.token;
    session = new Session(who, on);
    if (who.id !== made) readState(); // what was made up here is not known to the server before its first message
    $('text').focus();
}

function clear() {
    $('log').replaceChildren();
    $('log').setAttribute('aria-live', 'off');
    $('empty').hidden = false;
    $('state').hidden = $('link').hidden = true;
    lines = new Map();
    typing = new Set();
    day = '';
}

// What a ticket says about its holder wins: the server goes by it.
function withTicket(ticket, id, sender) {
    const t = readTicket(ticket);
    return { id: t.sid || id, sender: t.snd || sender || randomId('visitor-').slice(0, 14), type: t.typ || 'user', ticket };
}

$('open').onsubmit = (e) => {
    e.preventDefault();
    const [id, sender, type, token, ticket] = ['session', 'sender', 'type', 'token', 'ticket'].map((name) => $(name).value.trim());
    if (!token && !ticket) {
        $('wrong').textContent = 'A platform token or a ticket is needed.';
        $('token').focus();
        return;
    }
    $('token').value = '';
    open(token ? { id, sender, type, token } : withTicket(ticket, id, sender));
};

$('write').onsubmit = (e) => {
    e.preventDefault();
    const content = $('text').value.trim();
    if (content) session.send(content);
    $('text').value = '';
    $('text').focus();
};
$('text').onkeydown = (e) => {
    if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    $('write').requestSubmit();
};

$('bot').onclick = async () => {
    const change = bot?.check_reply === false ? { check_reply: true } : { check_reply: false, minutes: SILENT_MINUTES };
    try {
        showState(await ask(me.token, 'PATCH', session.path(), change));
    } catch (problem) {
        note('', problem.status === 404 ? 'There is no conversation yet: write something first.' : problem.message, Date.now() / 1000);
    }
};

$('hand').onclick = async () => {
    try {
        const sender = me.type === 'user' ? me.sender : randomId('visitor-').slice(0, 14);
        const made = await ask(me.token, 'POST', 'tickets', { session_id: me.id, sender_id: sender, sender_type: 'user' });
        $('link').value = new URL(`#${new URLSearchParams({ session: me.id, ticket: made.ticket })}`, document.baseURI);
        $('link').hidden = false;
        $('link').select();
    } catch (problem) {
        note('', problem.message, Date.now() / 1000);
    }
};

window.addEventListener('hashchange', () => location.reload()); // another conversation
const ticket = fragment().get('ticket') || kept?.getItem(`ticket ${fragment().get('session')}`);
if (ticket) open(withTicket(ticket, fragment().get('session')));
else showSetup();
