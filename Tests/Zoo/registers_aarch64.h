// SPDX-License-Identifier: Apache-2.0
// The ways of registers.c on aarch64. x16 is the address of `hold`, x17 is spoilt, sp stays; a call has x0, x1, x2, x8.

enum { held_vectors = 32 };

static int is_spoilt(const char *way, int number)
{
    const int call = strcmp(way, "call") == 0;
    return number == 16 || number == 17 || number == 31 || (call && (number <= 2 || number == 8));
}

// `given` is at 24, `found` at 9048; in them `control` is at 256, `vector` at 288, `predicate` at 8480.
__asm__(".arch armv8-a+sve\n"
        ".macro way name, vectors, work\n"
        ".globl \\name\n"
        "\\name:\n"
        "hint #34\n" // bti c
        "stp x29, x30, [sp, #-160]!\n"
        "stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n stp x23, x24, [sp, #48]\n"
        "stp x25, x26, [sp, #64]\n stp x27, x28, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n"
        ".if \\work == 2\n .inst 0xd503437f\n .endif\n" // smstart sm
        "mov x16, x0\n"
        "mov x0, sp\n str x0, [x16, #8]\n"
        "ldr x1, [x16, #280]\n msr fpcr, x1\n"
        "ldr x1, [x16, #288]\n msr fpsr, x1\n"
        "ldr x1, [x16, #296]\n msr nzcv, x1\n"
        "add x17, x16, #312\n"
        "add x0, x16, #2, lsl #12\n add x0, x0, #312\n"
        "\\vectors ldr, wrffr\n"
        "general ldr, 24\n"
        ".if \\work\n"
        "1: ldr w17, [x16]\n"
        "cbz w17, 1b\n"
        ".else\n"
        "mov x8, #63\n" // read(0, &hold.byte, 1)
        "mov x0, xzr\n add x1, x16, #16\n mov x2, #1\n"
        "svc #0\n"
        ".endif\n"
        "general str, 9048\n"
        "mrs x1, fpcr\n str x1, [x16, #9304]\n"
        "mrs x1, fpsr\n str x1, [x16, #9312]\n"
        "mrs x1, nzcv\n str x1, [x16, #9320]\n"
        "msr fpcr, xzr\n"
        "add x17, x16, #2, lsl #12\n add x17, x17, #1144\n"
        "add x0, x16, #4, lsl #12\n add x0, x0, #1144\n"
        "\\vectors str, rdffr\n"
        ".if \\work == 2\n .inst 0xd503427f\n .endif\n" // smstop sm
        "ldr x0, [x16, #8]\n mov sp, x0\n"
        "ldp d14, d15, [sp, #144]\n ldp d12, d13, [sp, #128]\n ldp d10, d11, [sp, #112]\n ldp d8, d9, [sp, #96]\n"
        "ldp x27, x28, [sp, #80]\n ldp x25, x26, [sp, #64]\n"
        "ldp x23, x24, [sp, #48]\n ldp x21, x22, [sp, #32]\n ldp x19, x20, [sp, #16]\n"
        "ldp x29, x30, [sp], #160\n"
        "ret\n"
        ".endm\n"
        ".macro general move, at\n"
        ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
        "\\move x\\i, [x16, #\\at+8*\\i]\n"
        ".endr\n"
        ".endm\n"
        ".macro neon move, ffr\n"
        ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        "\\move q\\i, [x17, #16*\\i]\n"
        ".endr\n"
        ".endm\n"
        ".macro streaming move, ffr\n"
        ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        "\\move z\\i, [x17, #\\i, mul vl]\n"
        ".endr\n"
        ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "\\move p\\i, [x0, #\\i, mul vl]\n"
        ".endr\n"
        ".endm\n"
        ".macro sve move, ffr\n"
        ".ifc \\ffr, wrffr\n ldr p0, [x0, #16, mul vl]\n wrffr p0.b\n .endif\n"
        "streaming \\move\n"
        ".ifc \\ffr, rdffr\n rdffr p0.b\n str p0, [x0, #16, mul vl]\n .endif\n"
        ".endm\n"
        "way hold_call_neon, neon, 0\n"
        "way hold_work_neon, neon, 1\n"
        "way hold_work_sve, sve, 1\n"
        "way hold_work_streaming, streaming, 2\n"
        ".globl scalable_width\nscalable_width:\n hint #34\n rdvl x0, #1\n ret\n"
        ".globl streaming_width\nstreaming_width:\n hint #34\n .inst 0x04bf5820\n ret\n" // rdsvl x0, #1
        ".arch armv8-a\n");

void hold_call_neon(struct hold *), hold_work_neon(struct hold *), hold_work_sve(struct hold *);
void hold_work_streaming(struct hold *);
size_t scalable_width(void), streaming_width(void);
