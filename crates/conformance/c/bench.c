/* Guest instructions of the kernels on the layers of MCUNet-5FPS at 128x128, and of one training step with the
 * published 49 KB scheme: biases of convolutions 22 to 41, weights of a quarter of the input channels of
 * convolution 24 and of half of those of 27 and 30. Values are random; all that counts is shapes. Prints lines
 * "<kernel> <layer> <MACs> <instructions>". */
#include "board.h"
#include "tt_kernels.h"

typedef struct {
    int16_t in, in_c, out, out_c, k, stride;
    int16_t depthwise, add; /* whether a residual add follows */
} layer;

static const layer layers[] = {
    {128, 3, 64, 16, 3, 2, 0, 0},  {64, 16, 64, 16, 3, 1, 1, 0},   {64, 16, 64, 8, 1, 1, 0, 0},
    {64, 8, 64, 32, 1, 1, 0, 0},   {64, 32, 32, 32, 3, 2, 1, 0},   {32, 32, 32, 16, 1, 1, 0, 0},
    {32, 16, 32, 48, 1, 1, 0, 0},  {32, 48, 32, 48, 3, 1, 1, 0},   {32, 48, 32, 16, 1, 1, 0, 1},
    {32, 16, 32, 48, 1, 1, 0, 0},  {32, 48, 16, 48, 7, 2, 1, 0},   {16, 48, 16, 24, 1, 1, 0, 0},
    {16, 24, 16, 120, 1, 1, 0, 0}, {16, 120, 16, 120, 3, 1, 1, 0}, {16, 120, 16, 24, 1, 1, 0, 1},
    {16, 24, 16, 120, 1, 1, 0, 0}, {16, 120, 8, 120, 3, 2, 1, 0},  {8, 120, 8, 40, 1, 1, 0, 0},
    {8, 40, 8, 160, 1, 1, 0, 0},   {8, 160, 8, 160, 7, 1, 1, 0},   {8, 160, 8, 40, 1, 1, 0, 1},
    {8, 40, 8, 160, 1, 1, 0, 0},   {8, 160, 8, 160, 5, 1, 1, 0},   {8, 160, 8, 48, 1, 1, 0, 0},
    {8, 48, 8, 144, 1, 1, 0, 0},   {8, 144, 8, 144, 3, 1, 1, 0},   {8, 144, 8, 48, 1, 1, 0, 1},
    {8, 48, 8, 192, 1, 1, 0, 0},   {8, 192, 8, 192, 3, 1, 1, 0},   {8, 192, 8, 48, 1, 1, 0, 1},
    {8, 48, 8, 240, 1, 1, 0, 0},   {8, 240, 4, 240, 7, 2, 1, 0},   {4, 240, 4, 96, 1, 1, 0, 0},
    {4, 96, 4, 384, 1, 1, 0, 0},   {4, 384, 4, 384, 5, 1, 1, 0},   {4, 384, 4, 96, 1, 1, 0, 1},
    {4, 96, 4, 384, 1, 1, 0, 0},   {4, 384, 4, 384, 5, 1, 1, 0},   {4, 384, 4, 96, 1, 1, 0, 1},
    {4, 96, 4, 576, 1, 1, 0, 0},   {4, 576, 4, 576, 3, 1, 1, 0},   {4, 576, 4, 160, 1, 1, 0, 0},
};
#define LAYERS ((int32_t)(sizeof layers / sizeof layers[0]))
#define FIRST_TRAINED 22
#define CLASSES 10
#define FEATURES 160

#define BUFFER __attribute__((section(".noinit"), aligned(8))) static
BUFFER int8_t x[131072], y[131072], g[16384], weights[131072], part[131072], state[16384];
BUFFER uint8_t mask[16384], residuals[16384], scratch[65536];
BUFFER int32_t bias[1024], offset[1024], m[1024];
BUFFER uint32_t qas[1024];
BUFFER int16_t head[FEATURES * CLASSES], error[CLASSES];
BUFFER int64_t logits[CLASSES];

static uint32_t seed = 1;

static void fill(void *to, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        ((uint8_t *)to)[i] = (uint8_t)(seed >> 24);
    }
}

static uint64_t started;

static void start(void)
{
    started = board_instructions();
}

static void stop(const char *kernel, int32_t number, uint32_t products)
{
    uint32_t n = (uint32_t)(board_instructions() - started);
    board_print(kernel);
    board_print(" ");
    board_print_number((uint32_t)number);
    board_print(" ");
    board_print_number(products);
    board_print(" ");
    board_print_number(n);
    board_print("\n");
}

static tt_conv_params params(int32_t i)
{
    const layer *l = &layers[i];
    tt_conv_params p = {
        l->in,     l->in,    l->in_c,  l->out, l->out, l->out_c, l->k, l->k, l->stride,
        l->stride, l->k / 2, l->k / 2, 3,      -5,     -128,     127,  0,
    };
    if (i == 24)
        p.trained = 12;
    if (i == 27 || i == 30)
        p.trained = 24;
    return p;
}

static uint32_t macs(int32_t i)
{
    const layer *l = &layers[i];
    return (uint32_t)(l->out * l->out * l->out_c * l->k * l->k * (l->depthwise ? 1 : l->in_c));
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static uint16_t channels[24]; /* every second one */
    fill(x, sizeof x);
    fill(g, sizeof g);
    fill(weights, sizeof weights);
    fill(part, sizeof part);
    fill(mask, sizeof mask);
    fill(head, sizeof head);
    for (uint32_t i = 0; i < sizeof weights; i++)
        weights[i] = (int8_t)(weights[i] / 2);
    for (uint32_t i = 0; i < sizeof state; i++) {
        state[i] = 0;
        residuals[i] = 0;
    }
    for (int32_t i = 0; i < 1024; i++) {
        bias[i] = i;
        offset[i] = 0;
        m[i] = 0x00400000;
        qas[i] = 0x80000000u | 10;
    }
    for (int32_t i = 0; i < 24; i++)
        channels[i] = (uint16_t)(2 * i);
    tt_update u = {{-30, 4, 0}, {1u << 30, -9}, 20, 7, 99};

    start();
    stop("nothing", 0, 0);
    for (int32_t i = 0; i < LAYERS; i++) {
        tt_conv_params p = params(i);
        const int32_t *trained = i >= FIRST_TRAINED ? offset : 0;
        uint8_t *to = i >= FIRST_TRAINED ? mask : 0;
        start();
        if (layers[i].depthwise)
            tt_depthwise(&p, x, weights, 0, 0, bias, trained, m, 0, y, to, scratch);
        else
            tt_conv(&p, x, weights, p.trained ? part : 0, p.trained ? channels : 0, bias, trained, m, 0, y, to,
                    scratch);
        stop(layers[i].depthwise ? "depthwise" : "conv", i, macs(i));
        if (layers[i].add) {
            tt_add_params a = {p.out_h * p.out_w * p.out_c, 3, -4, 500000, 700000, 1, -128, 127};
            start();
            tt_add(&a, y, x, y, to);
            stop("add", i, 0);
        }
    }
    tt_mean_params mean = {16, FEATURES, 3, 3, 0x08000000, 0, -128, 127};
    start();
    tt_mean(&mean, x, y, mask);
    stop("mean", LAYERS, 0);
    tt_head_params h = {FEATURES, CLASSES, 3, 1000, 30};
    tt_logit_scale scale = {1u << 20, 0, 1u << 30, 20};
    tt_head_result result;
    start();
    tt_head_logits(&h, y, head, bias, logits);
    stop("head_logits", LAYERS, FEATURES * CLASSES);
    start();
    tt_head_error(CLASSES, &scale, 3, logits, error, &result);
    stop("head_error", LAYERS, 0);
    start();
    tt_head_input_grad(&h, head, error, g);
    stop("head_input_grad", LAYERS, FEATURES * CLASSES);
    start();
    tt_real31 one = {1u << 30, 5};
    tt_head_update(&h, u.lr, 20, one, one, y, error, head, bias);
    stop("head_update", LAYERS, FEATURES * CLASSES);
    tt_grad_scale_params repeat = {FEATURES, FEATURES, 1 << 30, 34, 16};
    start();
    tt_grad_repeat(&repeat, g, mask, 0, 0, x);
    stop("grad_repeat", LAYERS, 0);
    for (int32_t i = LAYERS - 1; i >= FIRST_TRAINED; i--) {
        tt_conv_params p = params(i);
        int32_t n = p.out_h * p.out_w * p.out_c;
        if (layers[i].add) {
            tt_grad_scale_params s = {n, p.out_c, 1 << 30, 31, 1};
            start();
            tt_grad_scale(&s, g, mask, 0, 0, x);
            tt_grad_scale(&s, g, mask, 0, 0, g);
            stop("grad_scale", i, 0);
            tt_sum_params t = {n};
            start();
            tt_sum(&t, g, x, y);
            stop("sum", i, 0);
        }
        tt_grad_scale_params s = {n, p.out_c, 0, 34, 1};
        start();
        tt_grad_scale(&s, g, mask, m, 0, y);
        stop("grad_scale", i, 0);
        start();
        tt_bias_step(p.out_h * p.out_w, p.out_c, &u, one, g, qas, bias, offset);
        stop("bias_step", i, 0);
        if (i > FIRST_TRAINED) {
            start();
            if (layers[i].depthwise)
                tt_depthwise_input_grad(&p, 12, g, weights, 0, 0, x, scratch);
            else
                tt_conv_input_grad(&p, 12, g, weights, p.trained ? part : 0, p.trained ? channels : 0, x, scratch);
            stop(layers[i].depthwise ? "depthwise_input_grad" : "conv_input_grad", i, macs(i));
        }
        if (p.trained) {
            start();
            tt_conv_weight_step(&p, &u, g, x, channels, qas, state, residuals, scratch);
            stop("conv_weight_step", i, (uint32_t)(p.out_h * p.out_w * p.out_c * p.trained));
        }
    }
    /* Not part of the step: what other models and schemes use. */
    board_print("end of step\n");
    tt_conv_params full = {8, 8, 32, 8, 8, 32, 3, 3, 1, 1, 1, 1, 3, -5, -128, 127, 32};
    start();
    tt_conv(&full, x, 0, part, 0, bias, offset, m, 0, y, mask, scratch);
    stop("conv", 100, 64 * 32 * 32 * 9);
    start();
    tt_conv_input_grad(&full, 12, g, 0, part, 0, y, scratch);
    stop("conv_input_grad", 100, 64 * 32 * 32 * 9);
    start();
    tt_conv_weight_step(&full, &u, g, x, 0, qas, state, residuals, scratch);
    stop("conv_weight_step", 100, 64 * 32 * 32 * 9);
    tt_conv_params dw = {8, 8, 16, 8, 8, 16, 5, 5, 1, 1, 2, 2, 3, -5, -128, 127, 16};
    start();
    tt_depthwise_weight_step(&dw, &u, g, x, 0, qas, state, residuals, scratch);
    stop("depthwise_weight_step", 101, 64 * 16 * 25);
    return 0;
}
