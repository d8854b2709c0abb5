"""What runs in the visitor's browser: the style of the page and its scripts."""

from qa_bot.charts import CHART_CSS
from qa_bot.panels import PANEL_CSS
from qa_bot.prose_html import PROSE_CSS

SLOW_MS = 500  # after which it is said that an answer is being looked for

CSS = (
    """
.gradio-container main { max-width: 1280px !important; width: 100%; margin: 0 auto; }
.gradio-container { --quiet: color-mix(in srgb, var(--body-text-color) 94%, transparent); }
#chat .message p { margin: .4em 0; }
#chat .message blockquote { margin: .4em 0; padding: 0 0 0 .9em;
  border-inline-start: 3px solid var(--primary-400); }
#chat .bot .said { font-size: 1.3em; font-weight: 650; line-height: 1.35; }
#chat a[href^="#cite"], #chat a[href^="#ask"] { display: inline-block; padding: .1em .7em; margin: .2em 0;
  border-radius: 1em; border: 1px solid var(--primary-400); text-decoration: none; font-size: .85em;
  overflow-wrap: anywhere; }
#chat a[href^="#ask"] { border-style: dashed; margin-inline-end: .4em; }
#chat .sure, #chat .tools, #chat .near, #chat .note { color: var(--quiet); font-size: .85em; }
#chat .tools a { color: inherit; text-decoration: none; border: 0; margin-inline-end: 1em; }
#source { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: 1em; }
#source .document { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; }
#source .scroll { max-height: 68vh; overflow-y: auto; }
#source mark { background: #ffe08a; color: #1a1a1a; padding: .1em 0; border-radius: .15em; }
#source .changed { color: #b45309; font-weight: 600; margin: 0 0 .8em; }
#source .where { color: var(--quiet); font-size: .85em; margin: 0 0 .8em; }
/* A refusal is told in a message of its own; over the conversation Gradio would write "Error", no more. */
[data-testid="status-tracker"]:has(.error) { display: none; }
footer, footer button { color: var(--body-text-color) !important; }
#source h2 { margin: 0; font-size: 1.05em; }
#busy { position: fixed; bottom: 1.5em; left: 50%; transform: translateX(-50%); width: auto; z-index: 10; }
#busy p:not(:empty) { padding: .4em 1.2em; margin: 0; border-radius: 1em; background: var(--body-text-color);
  color: var(--body-background-fill); }
"""
    + PANEL_CSS
    + CHART_CSS
    + PROSE_CSS
)

# The chat takes one turn at a time. Of what is asked for meanwhile the last follows once it is over.
# That an answer takes its time is said, also to who hears the page, once it does. Whichever script
# comes first makes this: Gradio runs them, and shows the parts of the page, in no order.
_TURNS_JS = f"""
const turns = window.turns ??= {{
    busy: false,
    next: null,
    timer: null,
    take(turn) {{ if (this.busy) this.next = turn; else turn(); }},
    begin() {{
        if (this.busy) return;
        this.busy = true;
        this.timer = setTimeout(() => this.say((line) => line.dataset.searching), {SLOW_MS});
    }},
    end() {{
        const next = this.next;
        this.busy = false;
        this.next = null;
        clearTimeout(this.timer);
        this.say(() => '');
        if (next) setTimeout(next);
    }},
    say(what) {{
        const line = document.querySelector('#busy p');
        if (line) line.textContent = what(line);
    }},
}};
"""

# A click on a citation anywhere in the chat asks the server for its document, unless it is the one
# that is open; either way the highlighted words are brought into sight. On a phone the document is
# below the chat: the page goes there when asked to, not with each answer.
SOURCE_JS = (
    _TURNS_JS
    + """
let clicked = false, exchanges = 0;
// The last question at the top of the chat, so that its answer is read from its beginning.
const top = (shown) => shown.getBoundingClientRect().top;
const turnTo = () => {
    const log = document.querySelector('#chat [role="log"]');
    const asked = document.querySelectorAll('#chat .user.message');
    if (log && asked.length && asked.length !== exchanges)
        log.scrollTop += top(asked[asked.length - 1]) - top(log) - 12;
    exchanges = asked.length;
};
const show = () => requestAnimationFrame(() => {
    const box = element.querySelector('.scroll'), mark = element.querySelector('mark');
    if (box && mark) {
        box.scrollTop += mark.getBoundingClientRect().top - box.getBoundingClientRect().top - 80;
        if (clicked && window.innerWidth < 768) element.scrollIntoView({block: 'start'});
    }
    clicked = false;
});
// Gradio calls the questions to start with a list, and has no items in it.
const tidy = () => document.querySelectorAll('#chat .examples[role="list"]')
    .forEach((examples) => examples.setAttribute('role', 'group'));
new MutationObserver(tidy).observe(document.body, {childList: true, subtree: true});
tidy();
watch('value', () => { show(); setTimeout(turnTo, 100); });
document.addEventListener('click', (event) => {
    const link = event.target.closest('#chat a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    event.stopPropagation();
    const [, what, where] = link.getAttribute('href').match(/^#(\\w+)-?(.*)$/);
    if (what === 'copy') {
        const message = link.closest('.message').cloneNode(true);
        message.querySelectorAll('.tools').forEach((tools) => tools.remove());
        document.body.append(message);  // innerText has line breaks only where it is laid out
        navigator.clipboard.writeText(message.innerText.trim());
        message.remove();
        link.textContent = document.querySelector('#busy p').dataset.copied;
        return;
    }
    const place = what === 'ask' ? link.textContent : where;
    clicked = what === 'cite';
    if (!clicked) turns.take(() => trigger('click', {what, place}));
    else if (element.querySelector('.document')?.dataset.citation === place) show();
    else trigger('select', {place});
}, true);
"""
)

# A file of the conversation is made in the browser: the server gives out none.
SAVE_JS = """(text) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], {type: 'text/plain;charset=utf-8'}));
    link.download = 'conversation.SUFFIX';
    link.click();
    URL.revokeObjectURL(link.href);
}"""

# What was typed leaves the box for the chat; it comes back where it cannot be asked.
TYPED_JS = f"""(box, asked) => {{{_TURNS_JS}
    if (!turns.busy) return ["", box];
    turns.next = () => document.querySelector('#question .submit-button').click();
    return [box, asked];
}}"""

ASKING_JS = f"() => {{{_TURNS_JS} turns.begin(); }}"
ANSWERED_JS = f"() => {{{_TURNS_JS} turns.end(); return ''; }}"
FAILED_JS = f"(box, asked) => {{{_TURNS_JS} turns.end(); return [box || asked, '']; }}"
GREETED_JS = "() => { document.title = document.querySelector('h1').textContent; }"
