
/* What is compared: a frame, and the reply that is right; of a frame that is to be refused there is none. */
struct array {
    const char *name, *what;
    int64_t start, steps, neurons, h, w; /* steps 0: one value each; spikes: bits of one value */
};
struct ask {
    const char *label;
    const int64_t *frame, *right;
    size_t words, count;
    const struct array *arrays;
};
enum { LOAD = 1, RUN, RESET, REFUSED = 5, MOST_SAID = 1024, GUARD = 1024 };

/* The asks of a pack stand here. */

static int64_t reply[FSREF_ROOM + GUARD], untouched; /* behind the room stand words that no device may write */

static const char *kind(const struct ask *a) {
    return a->frame[0] == LOAD ? "load" : a->frame[0] == RUN ? "run" : a->frame[0] == RESET ? "reset" : "frame";
}

/* Tells the first neuron in which an array that differs does; returns 1. */
static int tell(const struct ask *a, const struct array *array, const int64_t *got, const int64_t *right) {
    int64_t i, at = 0, step = -1, observed, expected;
    uint64_t unlike = 0;
    while (got[at] == right[at]) at++;
    if (array->steps > 0 && array->what[0] == 's') { /* spikes: the first step is the highest bit */
        for (i = 0; i < array->neurons; i++) unlike |= (uint64_t)got[i] ^ (uint64_t)right[i];
        for (i = array->steps; i > 0 && !(unlike >> (i - 1) & 1); i--) {}
        if (unlike >> array->steps == 0) {
            step = array->steps - i;
            for (at = 0; !(((uint64_t)got[at] ^ (uint64_t)right[at]) >> (i - 1) & 1); at++) {}
            observed = got[at] >> (i - 1) & 1;
            expected = right[at] >> (i - 1) & 1;
        } else { /* no train of so many steps */
            observed = got[at];
            expected = right[at];
        }
    } else {
        observed = got[at];
        expected = right[at];
        if (array->steps > 0) step = at / array->neurons;
        at %= array->neurons;
    }
    printf("FAIL %s: %s ", a->label, array->name);
    if (step >= 0) printf("step %" PRId64 " ", array->start + step);
    printf("neuron %" PRId64 " (c %" PRId64 ", y %" PRId64 ", x %" PRId64 ") ", at, at / (array->h * array->w),
           at / array->w % array->h, at % array->w);
    printf("%s: observed %" PRId64 " expected %" PRId64 "\n", array->what, observed, expected);
    return 1;
}

/* Whether the reply of so many words to a run is wrong; then it is told. */
static int wrong_run(const struct ask *a, size_t count) {
    const struct array *array;
    size_t at = 1, i;
    for (array = a->arrays; at < a->count; at += 1 + (size_t)a->right[at], array++) {
        if (at >= count || reply[at] != a->right[at] || count - at - 1 < (size_t)a->right[at]) {
            printf("FAIL %s: its reply of %zu words has not all %" PRId64 " values of %s %s\n", a->label, count,
                   a->right[at], array->name, array->what);
            return 1;
        }
    }
    for (at = 1, array = a->arrays; at < a->count; at += 1 + (size_t)a->right[at], array++)
        for (i = 1; i <= (size_t)a->right[at]; i++)
            if (reply[at + i] != a->right[at + i]) return tell(a, array, reply + at + 1, a->right + at + 1);
    return 0;
}

/* Whether a device wrote behind the room for its reply. */
static int beyond(void) {
    size_t i;
    for (i = FSREF_ROOM; i < FSREF_ROOM + GUARD; i++)
        if (reply[i] != untouched) return 1;
    return 0;
}

/* Whether a device answers a frame wrongly; then it is told. */
static int wrong(const struct ask *a) {
    size_t count;
    memset(reply, 0x5a, sizeof reply); /* so that nothing right is left of earlier replies */
    memset(&untouched, 0x5a, sizeof untouched);
    count = device(a->frame, a->words, reply, FSREF_ROOM);
    if (count == 0) printf("FAIL %s: no reply to its %s\n", a->label, kind(a));
    else if (count > FSREF_ROOM)
        printf("FAIL %s: its reply to a %s has %zu words, %zu more than it was given room for\n", a->label, kind(a), count,
               count - FSREF_ROOM);
    else if (beyond())
        printf("FAIL %s: it wrote more than the %d words that it has room for in its reply to a %s\n", a->label, FSREF_ROOM,
               kind(a));
    else if (a->right == NULL && reply[0] == REFUSED && count <= 1 + MOST_SAID) return 0;
    else if (a->right == NULL) printf("FAIL %s: it is to be refused\n", a->label);
    else if (reply[0] == REFUSED) printf("FAIL %s: it refuses its %s\n", a->label, kind(a));
    else if (reply[0] != a->right[0])
        printf("FAIL %s: its reply to a %s begins with %" PRId64 "\n", a->label, kind(a), reply[0]);
    else if (count > a->count)
        printf("FAIL %s: its reply to a %s has %zu words, %zu more than was asked for\n", a->label, kind(a), count,
               count - a->count);
    else return wrong_run(a, count);
    return 1;
}

int main(void) {
    size_t i;
    for (i = 0; i < sizeof asks / sizeof asks[0]; i++)
        if (wrong(&asks[i])) return 1;
    printf("pass: %d cases, %d rejects\n", FSREF_CASES, FSREF_REJECTS);
    return 0;
}
