/* A device in C: reads frames from standard input and answers by the law, or with a planted bug: core [BUG]. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t word;

enum {
    ABOVE = 1, /* fires when v > T alone */
    SATURATE,  /* an accumulator of 2^K theta - 1 at most */
    STALE,     /* membranes keep what the image before left */
    LAST,      /* a dense projection forgets its last input */
    STEP,      /* fires a step too many: resets twice in the last */
    UNSIGNED   /* a weight of -128 is 128 */
};
static int bug;

enum { INPUT, FS, POOL, READOUT };
enum { SUMS, OPENING, SPIKES, MEMBRANES, CODES };

struct table {
    word rank, dims[4], *values;
};
struct population {
    word kind, c, h, w, n, k, max_code, source, window[8];
    struct table T, h_, d, bias;
    word *sent[5]; /* what is known of it; membranes k * n */
    word *left;    /* membranes behind the last run */
};
struct projection {
    word kind, source, target, about[9];
    struct table weights;
    word *sums;
};

static word *frame, size, at, populations, projections, refused;
static struct population *P;
static struct projection *Q;

static word take(void) {
    if (at >= size) {
        refused = 1;
        return 0;
    }
    return frame[at++];
}

static struct table taken(void) {
    struct table a = {take(), {1, 1, 1, 1}, NULL};
    word count = 1, i;
    for (i = 0; i < a.rank && i < 4; i++) count *= a.dims[i] = take();
    if (a.rank > 4 || count < 0 || count > size) {
        refused = 1;
        return a;
    }
    a.values = malloc((count + 1) * sizeof(word));
    for (i = 0; i < count; i++) a.values[i] = take();
    return a;
}

static void load(void) {
    word i, j;
    populations = take(), projections = take();
    if (refused || populations < 0 || populations > size || projections < 0 || projections > size) {
        populations = projections = 0, refused = 1;
        return;
    }
    P = calloc(populations + 1, sizeof *P), Q = calloc(projections + 1, sizeof *Q);
    for (i = 0; i < populations; i++) {
        struct population *p = P + i;
        p->kind = take(), p->c = take(), p->h = take(), p->w = take(), p->k = take();
        p->n = p->c * p->h * p->w;
        if (p->kind == INPUT) p->max_code = take();
        if (p->kind == FS) p->T = taken(), p->h_ = taken(), p->d = taken();
        if (p->kind == FS || p->kind == READOUT) p->bias = taken();
        if (p->kind == POOL)
            for (p->source = take(), j = 0; j < 8; j++) p->window[j] = take();
        p->left = calloc(p->n + 1, sizeof(word));
    }
    for (i = 0; i < projections; i++) {
        struct projection *q = Q + i;
        q->kind = take(), q->source = take(), q->target = take();
        for (j = 0; j < (q->kind ? 1 : 9); j++) q->about[j] = take();
        q->weights = taken();
    }
    if (at != size) refused = 1;
}

static word row(struct table a, word channel, word t, word k) { return a.values[(a.rank == 2 ? channel * k : 0) + t]; }

static word worth(struct population *p, word channel, word t) {
    while (p->kind == POOL) p = P + p->source;
    return p->kind == INPUT ? (word)1 << (p->k - 1 - t) : row(p->d, channel, t, p->k);
}

static void codes(struct population *p) {
    word n, t;
    p->sent[CODES] = calloc(p->n + 1, sizeof(word));
    for (n = 0; n < p->n; n++)
        for (t = 0; t < p->k; t++)
            if (p->sent[SPIKES][n] >> (p->k - 1 - t) & 1) p->sent[CODES][n] += worth(p, n / (p->h * p->w), t);
}

static word weight(word w) { return bug == UNSIGNED && w == -128 ? 128 : w; }

static void deliver(struct projection *q) {
    struct population *s = P + q->source, *p = P + q->target;
    word o, i, y, x, r, c, n, *a = s->sent[CODES], *w = q->weights.values, *A = q->about, *D = q->weights.dims;
    q->sums = calloc(p->n + 1, sizeof(word));
    for (o = 0; o < p->c; o++) {
        if (q->kind) {
            for (n = 0; n < s->n - (bug == LAST); n++)
                q->sums[o] += weight(w[o * D[1] + (A[0] ? n / (s->h * s->w) : n)]) * a[n];
            continue;
        }
        for (y = 0; y < p->h; y++)
            for (x = 0; x < p->w; x++)
                for (i = 0; i < D[1]; i++)
                    for (r = 0; r < D[2]; r++)
                        for (c = 0; c < D[3]; c++) {
                            word v = y * A[0] - A[2] + r * A[6], u = x * A[1] - A[3] + c * A[7];
                            word in = o / (p->c / A[8]) * D[1] + i;
                            if (v >= 0 && v < s->h && u >= 0 && u < s->w)
                                q->sums[(o * p->h + y) * p->w + x] +=
                                    weight(w[((o * D[1] + i) * D[2] + r) * D[3] + c]) * a[(in * s->h + v) * s->w + u];
                        }
    }
}

static void pool(struct population *p) {
    struct population *s = P + p->source;
    word n, r, c, *W = p->window;
    p->sent[SPIKES] = calloc(p->n + 1, sizeof(word));
    for (n = 0; n < p->n; n++)
        for (r = 0; r < W[0]; r++)
            for (c = 0; c < W[1]; c++) {
                word y = n / p->w % p->h * W[2] - W[4] + r, x = n % p->w * W[3] - W[5] + c;
                word channel = n / (p->h * p->w);
                if (y < 0 || y >= s->h || x < 0 || x >= s->w) continue;
                word train = s->sent[SPIKES][(channel * s->h + y) * s->w + x];
                if (train > p->sent[SPIKES][n]) p->sent[SPIKES][n] = train; /* trains are ordered as codes (POOL-2) */
            }
}

static void fire(struct population *p) {
    word n, t;
    p->sent[SPIKES] = calloc(p->n + 1, sizeof(word));
    p->sent[MEMBRANES] = calloc(p->n * p->k + 1, sizeof(word));
    for (n = 0; n < p->n; n++) {
        word channel = n / (p->h * p->w), v = p->sent[OPENING][n];
        word most = (row(p->T, channel, p->k - 1, p->k) << p->k) - 1;
        if (bug == SATURATE && v > most) v = most;
        for (t = 0; t < p->k; t++) {
            word T = row(p->T, channel, t, p->k), h = row(p->h_, channel, t, p->k);
            int z = bug == ABOVE ? v > T : v >= T;
            if (z) v -= h;
            if (bug == STEP && t == p->k - 1 && v >= T) v -= h;
            p->sent[SPIKES][n] = p->sent[SPIKES][n] << 1 | z;
            p->sent[MEMBRANES][t * p->n + n] = v;
        }
        p->left[n] = v;
    }
}

static void follow(word i) {
    struct population *p = P + i;
    word j, n, whole = 1, any = 0;
    if (p->sent[SPIKES]) { /* given */
        codes(p);
        return;
    }
    if (p->kind == POOL && P[p->source].sent[SPIKES]) pool(p);
    if (p->kind == FS || p->kind == READOUT) {
        for (j = 0; j < projections; j++)
            if (Q[j].target == i) {
                if (P[Q[j].source].sent[CODES]) deliver(Q + j), any = 1;
                else whole = 0;
            }
        if (whole && any && !p->sent[OPENING]) {
            p->sent[OPENING] = calloc(p->n + 1, sizeof(word));
            for (n = 0; n < p->n; n++) {
                word b = p->bias.values[p->bias.rank == 3 ? n : n / (p->h * p->w)];
                p->sent[OPENING][n] = b + (bug == STALE ? p->left[n] : 0);
                for (j = 0; j < projections; j++)
                    if (Q[j].target == i) p->sent[OPENING][n] += Q[j].sums[n];
            }
        }
        if (p->kind == FS && p->sent[OPENING]) fire(p);
    }
    if (p->sent[SPIKES]) codes(p);
}

static void forget(void) {
    word i, what;
    for (i = 0; i < populations; i++)
        for (what = 0; what < 5; what++) free(P[i].sent[what]), P[i].sent[what] = NULL;
    for (i = 0; i < projections; i++) free(Q[i].sums), Q[i].sums = NULL;
}

static void put(word value) { fwrite(&value, sizeof value, 1, stdout); }

static void say(word value) { put(1), put(value); }

static void run(void) {
    word count, i, j, total = 1;
    for (count = take(); count-- > 0 && !refused;) {
        word of = take(), what = take(), n = take(), bad = 0;
        if (refused || of < 0 || of >= populations || n != P[of].n || size - at < n) {
            refused = 1;
            return;
        }
        word k = P[of].k, *values = malloc((n + 1) * sizeof(word));
        for (j = 0; j < n; j++) {
            values[j] = take();
            bad |= what != OPENING && (values[j] < 0 || values[j] >> k || (!of && values[j] > P[0].max_code));
        }
        what = what == CODES && !of ? SPIKES : what;
        free(P[of].sent[what]);
        P[of].sent[what] = values;
        if (bad || (what != SPIKES && what != OPENING)) refused = 1;
    }
    if (refused) return;
    for (i = 0; i < populations; i++) follow(i);
    count = take();
    if (count < 0 || at + 2 * count != size) {
        refused = 1;
        return;
    }
    for (j = 0; j < 2; j++) { /* measure, then write */
        word first = at;
        if (j) put(total), put(2);
        for (i = 0; i < count; i++) {
            word of = take(), what = take(), n, k, *found;
            if (of < 0 || of >= (what == SUMS ? projections : populations) || what < 0 || what > CODES) {
                refused = 1;
                return;
            }
            found = what == SUMS ? Q[of].sums : P[of].sent[what];
            n = what == SUMS ? P[Q[of].target].n : P[of].n * (what == MEMBRANES ? P[of].k : 1);
            if (!found) {
                refused = 1;
                return;
            }
            total += 1 + n;
            if (j)
                for (put(n), k = 0; k < n; k++) put(found[k]);
        }
        if (!j) at = first;
    }
}

static word greet(void) {
    static const char text[] = "{\"name\": \"core.c\", \"scopes\": [\"network\", \"population\", \"projection\", "
                               "\"max_pool\", \"neuron\"], \"refuses\": false}";
    word n = (sizeof text + 7) / 8, i;
    word words[40] = {0};
    memcpy(words, text, sizeof text - 1);
    put(n + 2), put(0), put(sizeof text - 1);
    for (i = 0; i < n; i++) put(words[i]);
    return 0;
}

int main(int count, char **words) {
    static const char *const bugs[] = {"", "ABOVE", "SATURATE", "STALE", "LAST", "STEP", "UNSIGNED"};
    for (int i = 1; i <= UNSIGNED; i++)
        if (count > 1 && !strcmp(words[1], bugs[i])) bug = i;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        frame = malloc((size + 1) * sizeof(word));
        if (fread(frame, sizeof(word), size, stdin) != (size_t)size) return 1;
        at = refused = 0;
        word kind = take();
        if (kind == 0) greet();
        else if (kind == 1) {
            struct population *p = P;
            struct projection *q = Q;
            word n = populations, m = projections;
            load();
            if (refused) P = p, Q = q, populations = n, projections = m;
            else say(1);
        } else if (kind == 2) {
            run();
            forget();
        } else if (kind == 3 || kind == 4) say(kind);
        else refused = 1;
        if (refused) say(5);
        fflush(stdout);
        free(frame);
        if (kind == 4) return 0;
    }
    return 0;
}
