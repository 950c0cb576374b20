/* Poynting-Robertson drag by the Galerkin-Gauss-Lobatto map with r = 1, written by hand for speed:
 * what lagc's own step is measured against.
 *
 *   poynting_robertson STEPS H GM C BETA X Y VX VY
 *
 * Full Newton with three iterations from the last step's polynomial, the Jacobian from the blocks
 * a_q and a_v (b = v), elimination of the 4 x 4 system, compensated sums for q and p, every step
 * stored. Prints nanoseconds per step, then x y px py at the end, then the largest residual left.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct { double mu, k; } Model;

static const double D[3][3] = {{-1.5, 2.0, -0.5}, {-0.5, 0.0, 0.5}, {0.5, -2.0, 1.5}};
static const double W[3] = {1.0 / 3, 4.0 / 3, 1.0 / 3};

/* a = -mu q/s^3 - k (v/s^2 + (v.q) q/s^4) with s = |q| */
static void force(const Model *m, const double q[2], const double v[2], double a[2])
{
    double s2 = 1 / (q[0] * q[0] + q[1] * q[1]);
    double s3 = s2 * sqrt(s2), vq = v[0] * q[0] + v[1] * q[1];
    double radial = -m->mu * s3 - m->k * vq * s2 * s2, drag = -m->k * s2;
    a[0] = radial * q[0] + drag * v[0];
    a[1] = radial * q[1] + drag * v[1];
}

static void force_and_blocks(const Model *m, const double q[2], const double v[2], double a[2],
                             double aq[2][2], double av[2][2])
{
    double s2 = 1 / (q[0] * q[0] + q[1] * q[1]);
    double s3 = s2 * sqrt(s2), s4 = s2 * s2, vq = v[0] * q[0] + v[1] * q[1];
    double radial = -m->mu * s3 - m->k * vq * s4, drag = -m->k * s2;
    double outer = 3 * m->mu * s3 * s2 + 4 * m->k * vq * s4 * s2;
    a[0] = radial * q[0] + drag * v[0];
    a[1] = radial * q[1] + drag * v[1];
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            double same = i == j;
            aq[i][j] = same * radial + outer * q[i] * q[j]
                       + m->k * s4 * (2 * v[i] * q[j] - q[i] * v[j]);
            av[i][j] = same * drag - m->k * s4 * q[i] * q[j];
        }
}

static void add(double *total, double *low, double increment)
{
    double y = increment - *low, sum = *total + y;
    *low = (sum - *total) - y;
    *total = sum;
}

int main(int argc, char **argv)
{
    if (argc != 10) {
        fprintf(stderr, "usage: %s STEPS H GM C BETA X Y VX VY\n", argv[0]);
        return 2;
    }
    long steps = atol(argv[1]);
    double h = atof(argv[2]), gm = atof(argv[3]), c = atof(argv[4]), beta = atof(argv[5]);
    double q[2] = {atof(argv[6]), atof(argv[7])}, p[2] = {atof(argv[8]), atof(argv[9])};
    double q_low[2] = {0, 0}, p_low[2] = {0, 0};
    Model model = {(1 - beta) * gm, beta * gm / c};
    double *stored = malloc(sizeof(double) * 4 * (steps + 1));
    if (!stored)
        return 1;
    for (long i = 0; i < 4 * (steps + 1); i++)
        stored[i] = 0; /* touch the pages before the clock starts */

    /* The kinetic part of the Jacobian, (2/h) sum_j w_j D_ji D_jk. */
    double kinetic[2][2];
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            double sum = 0;
            for (int j = 0; j < 3; j++)
                sum += W[j] * D[j][i] * D[j][k + 1];
            kinetic[i][k] = 2 / h * sum;
        }

    double u[3][2] = {{0, 0}, {p[0] * h / 2, p[1] * h / 2}, {p[0] * h, p[1] * h}};
    double worst = 0;
    stored[0] = q[0], stored[1] = q[1], stored[2] = p[0], stored[3] = p[1];
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long step = 1; step <= steps; step++) {
        double x[3][2], v[3][2], a[2];
        if (step > 1)
            for (int s = 0; s < 2; s++) {
                double middle = u[1][s], last = u[2][s];
                u[1][s] = -3 * middle + 2 * last;
                u[2][s] = -8 * middle + 5 * last;
            }
        for (int iteration = 0; iteration < 3; iteration++) {
            double m[4][5], aq[2][2], av[2][2];
            for (int i = 0; i < 3; i++)
                for (int s = 0; s < 2; s++) {
                    x[i][s] = q[s] + u[i][s];
                    v[i][s] = 2 / h * (D[i][1] * u[1][s] + D[i][2] * u[2][s]);
                }
            for (int i = 0; i < 2; i++) {
                force_and_blocks(&model, x[i], v[i], a, aq, av);
                for (int s = 0; s < 2; s++) {
                    double row = h / 2 * W[i] * a[s] + (i == 0 ? p[s] : 0);
                    for (int j = 0; j < 3; j++)
                        row += W[j] * D[j][i] * v[j][s];
                    m[2 * i + s][4] = row;
                    for (int k = 1; k < 3; k++)
                        for (int z = 0; z < 2; z++)
                            m[2 * i + s][2 * k - 2 + z] =
                                (s == z) * kinetic[i][k - 1] + W[i] * D[i][k] * av[s][z]
                                + (i == k) * h / 2 * W[i] * aq[s][z];
                }
            }
            if (iteration == 2)
                for (int i = 0; i < 4; i++)
                    worst = fmax(worst, fabs(m[i][4]));
            for (int i = 0; i < 4; i++) {
                double inverse = 1 / m[i][i];
                for (int j = i + 1; j < 4; j++) {
                    double factor = m[j][i] * inverse;
                    for (int k = i + 1; k < 5; k++)
                        m[j][k] -= factor * m[i][k];
                }
            }
            for (int i = 3; i >= 0; i--) {
                double sum = m[i][4];
                for (int k = i + 1; k < 4; k++)
                    sum -= m[i][k] * m[k][4];
                m[i][4] = sum / m[i][i];
            }
            for (int i = 0; i < 4; i++)
                u[1 + i / 2][i % 2] -= m[i][4];
        }
        double impulse[2] = {0, 0};
        for (int i = 0; i < 3; i++) {
            for (int s = 0; s < 2; s++) {
                x[i][s] = q[s] + u[i][s];
                v[i][s] = 2 / h * (D[i][1] * u[1][s] + D[i][2] * u[2][s]);
            }
            force(&model, x[i], v[i], a);
            for (int s = 0; s < 2; s++)
                impulse[s] += h / 2 * W[i] * a[s];
        }
        for (int s = 0; s < 2; s++) {
            add(&q[s], &q_low[s], u[2][s]);
            add(&p[s], &p_low[s], impulse[s]);
        }
        double *row = stored + 4 * step;
        row[0] = q[0], row[1] = q[1], row[2] = p[0], row[3] = p[1];
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double elapsed = 1e9 * (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec);
    const double *last = stored + 4 * steps;
    printf("%.6g\n%.17g %.17g %.17g %.17g\n%.3g\n", elapsed / steps, last[0], last[1], last[2],
           last[3], worst);
    free(stored);
    return 0;
}
