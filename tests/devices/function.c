/* core.c as a function that answers frames, as programs of vectors call one; BUG and SPOIL of the environment say what is
   wrong with it: a planted bug of core.c by its number, and what it does to replies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fsref_vectors.h"

static int64_t *out;
static size_t space, filled; /* words of a reply, the first of which, their number, is left out */

static size_t caught(const void *value, size_t size, size_t count, FILE *file) {
    (void)file;
    if (filled > 0 && filled <= space) memcpy(out + filled - 1, value, size);
    filled++;
    return count;
}

#define fwrite caught
#define main unused
#include "core.c"

enum { SILENT = 1, LONGER, SHORTER, REFUSING, ACCEPTING, OTHER, ENDLESS, BEYOND };

size_t device(const int64_t *words, size_t count, int64_t *reply, size_t room) {
    int spoil = getenv("SPOIL") ? atoi(getenv("SPOIL")) : 0;
    word kind;
    bug = getenv("BUG") ? atoi(getenv("BUG")) : 0;
    out = reply, space = room, filled = 0;
    frame = malloc((count + 1) * sizeof(word));
    memcpy(frame, words, count * sizeof(word));
    size = (word)count, at = refused = 0;
    kind = take();
    if (kind == 1) {
        struct population *p = P;
        struct projection *q = Q;
        word n = populations, m = projections;
        load();
        if (refused) P = p, Q = q, populations = n, projections = m;
        else say(1);
    } else if (kind == 2) {
        run();
        forget();
    } else if (kind == 3) say(3);
    else refused = 1;
    if (refused) filled = 0, say(5);
    free(frame);
    filled -= 1;
    if (spoil == SILENT) return 0;
    if (spoil == LONGER && kind == 2 && !refused && filled < room) reply[filled++] = 0;
    if (spoil == SHORTER && kind == 2) filled -= 1;
    if (spoil == REFUSING && kind == 3) reply[0] = 5;
    if (spoil == ACCEPTING && refused) reply[0] = kind;
    if (spoil == OTHER && kind == 2) reply[0] = 7;
    if (spoil == BEYOND && kind == 2) reply[room] = 1;
    return spoil == ENDLESS && kind == 2 ? room + 1 : filled;
}
