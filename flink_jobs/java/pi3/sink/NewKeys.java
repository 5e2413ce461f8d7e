package pi3.sink;

/**
 * Whether the next batch is taken for one of new keys only, which COPY writes at little more than half the cost. Each
 * time that proves wrong, twice as many batches are upserted before the next guess, and half as many once it is right.
 */
final class NewKeys {

    private static final int MOST_BATCHES = 256;

    private int pause;
    private int left;

    boolean expected() {
        return left-- <= 0;
    }

    void found() {
        pause /= 2;
        left = 0;
    }

    void notFound() {
        pause = Math.min(Math.max(1, 2 * pause), MOST_BATCHES);
        left = pause;
    }
}
