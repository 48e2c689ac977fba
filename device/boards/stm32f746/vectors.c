/* The vector table of the STM32F746: core exceptions, then interrupts 0 to 97 in the order of RM0385, table 46.
 * Every handler is weak and ends in tt_fault() until a function of its name is there. The network uses no interrupt. */
#include "tt_board.h"

extern uint32_t tt_stack_high[];

typedef void (*tt_vector)(void);

typedef struct {
    uint32_t *stack;
    tt_vector exceptions[15];
    tt_vector interrupts[98];
} tt_vectors;

extern const tt_vectors tt_vector_table;

#define HANDLER(name) void name(void) __attribute__((weak, alias("unhandled")))

/* An alias must be in its own file. The stack and the frame on it stay as they are. */
__attribute__((naked, used)) static void unhandled(void)
{
    __asm volatile("b tt_fault_vector");
}

HANDLER(NMI_Handler);
HANDLER(HardFault_Handler);
HANDLER(MemManage_Handler);
HANDLER(BusFault_Handler);
HANDLER(UsageFault_Handler);
HANDLER(SVC_Handler);
HANDLER(DebugMon_Handler);
HANDLER(PendSV_Handler);
HANDLER(SysTick_Handler);
HANDLER(WWDG_IRQHandler);
HANDLER(PVD_IRQHandler);
HANDLER(TAMP_STAMP_IRQHandler);
HANDLER(RTC_WKUP_IRQHandler);
HANDLER(FLASH_IRQHandler);
HANDLER(RCC_IRQHandler);
HANDLER(EXTI0_IRQHandler);
HANDLER(EXTI1_IRQHandler);
HANDLER(EXTI2_IRQHandler);
HANDLER(EXTI3_IRQHandler);
HANDLER(EXTI4_IRQHandler);
HANDLER(DMA1_Stream0_IRQHandler);
HANDLER(DMA1_Stream1_IRQHandler);
HANDLER(DMA1_Stream2_IRQHandler);
HANDLER(DMA1_Stream3_IRQHandler);
HANDLER(DMA1_Stream4_IRQHandler);
HANDLER(DMA1_Stream5_IRQHandler);
HANDLER(DMA1_Stream6_IRQHandler);
HANDLER(ADC_IRQHandler);
HANDLER(CAN1_TX_IRQHandler);
HANDLER(CAN1_RX0_IRQHandler);
HANDLER(CAN1_RX1_IRQHandler);
HANDLER(CAN1_SCE_IRQHandler);
HANDLER(EXTI9_5_IRQHandler);
HANDLER(TIM1_BRK_TIM9_IRQHandler);
HANDLER(TIM1_UP_TIM10_IRQHandler);
HANDLER(TIM1_TRG_COM_TIM11_IRQHandler);
HANDLER(TIM1_CC_IRQHandler);
HANDLER(TIM2_IRQHandler);
HANDLER(TIM3_IRQHandler);
HANDLER(TIM4_IRQHandler);
HANDLER(I2C1_EV_IRQHandler);
HANDLER(I2C1_ER_IRQHandler);
HANDLER(I2C2_EV_IRQHandler);
HANDLER(I2C2_ER_IRQHandler);
HANDLER(SPI1_IRQHandler);
HANDLER(SPI2_IRQHandler);
HANDLER(USART1_IRQHandler);
HANDLER(USART2_IRQHandler);
HANDLER(USART3_IRQHandler);
HANDLER(EXTI15_10_IRQHandler);
HANDLER(RTC_Alarm_IRQHandler);
HANDLER(OTG_FS_WKUP_IRQHandler);
HANDLER(TIM8_BRK_TIM12_IRQHandler);
HANDLER(TIM8_UP_TIM13_IRQHandler);
HANDLER(TIM8_TRG_COM_TIM14_IRQHandler);
HANDLER(TIM8_CC_IRQHandler);
HANDLER(DMA1_Stream7_IRQHandler);
HANDLER(FMC_IRQHandler);
HANDLER(SDMMC1_IRQHandler);
HANDLER(TIM5_IRQHandler);
HANDLER(SPI3_IRQHandler);
HANDLER(UART4_IRQHandler);
HANDLER(UART5_IRQHandler);
HANDLER(TIM6_DAC_IRQHandler);
HANDLER(TIM7_IRQHandler);
HANDLER(DMA2_Stream0_IRQHandler);
HANDLER(DMA2_Stream1_IRQHandler);
HANDLER(DMA2_Stream2_IRQHandler);
HANDLER(DMA2_Stream3_IRQHandler);
HANDLER(DMA2_Stream4_IRQHandler);
HANDLER(ETH_IRQHandler);
HANDLER(ETH_WKUP_IRQHandler);
HANDLER(CAN2_TX_IRQHandler);
HANDLER(CAN2_RX0_IRQHandler);
HANDLER(CAN2_RX1_IRQHandler);
HANDLER(CAN2_SCE_IRQHandler);
HANDLER(OTG_FS_IRQHandler);
HANDLER(DMA2_Stream5_IRQHandler);
HANDLER(DMA2_Stream6_IRQHandler);
HANDLER(DMA2_Stream7_IRQHandler);
HANDLER(USART6_IRQHandler);
HANDLER(I2C3_EV_IRQHandler);
HANDLER(I2C3_ER_IRQHandler);
HANDLER(OTG_HS_EP1_OUT_IRQHandler);
HANDLER(OTG_HS_EP1_IN_IRQHandler);
HANDLER(OTG_HS_WKUP_IRQHandler);
HANDLER(OTG_HS_IRQHandler);
HANDLER(DCMI_IRQHandler);
HANDLER(RNG_IRQHandler);
HANDLER(FPU_IRQHandler);
HANDLER(UART7_IRQHandler);
HANDLER(UART8_IRQHandler);
HANDLER(SPI4_IRQHandler);
HANDLER(SPI5_IRQHandler);
HANDLER(SPI6_IRQHandler);
HANDLER(SAI1_IRQHandler);
HANDLER(LTDC_IRQHandler);
HANDLER(LTDC_ER_IRQHandler);
HANDLER(DMA2D_IRQHandler);
HANDLER(SAI2_IRQHandler);
HANDLER(QUADSPI_IRQHandler);
HANDLER(LPTIM1_IRQHandler);
HANDLER(CEC_IRQHandler);
HANDLER(I2C4_EV_IRQHandler);
HANDLER(I2C4_ER_IRQHandler);
HANDLER(SPDIF_RX_IRQHandler);

__attribute__((section(".vectors"), used)) const tt_vectors tt_vector_table = {
    tt_stack_high,
    {tt_start, NMI_Handler, HardFault_Handler, MemManage_Handler, BusFault_Handler, UsageFault_Handler, 0, 0, 0, 0, SVC_Handler,
     DebugMon_Handler, 0, PendSV_Handler, SysTick_Handler},
    {
        WWDG_IRQHandler, PVD_IRQHandler, TAMP_STAMP_IRQHandler, RTC_WKUP_IRQHandler, FLASH_IRQHandler, RCC_IRQHandler, EXTI0_IRQHandler,
        EXTI1_IRQHandler, EXTI2_IRQHandler, EXTI3_IRQHandler, EXTI4_IRQHandler, DMA1_Stream0_IRQHandler, DMA1_Stream1_IRQHandler,
        DMA1_Stream2_IRQHandler, DMA1_Stream3_IRQHandler, DMA1_Stream4_IRQHandler, DMA1_Stream5_IRQHandler, DMA1_Stream6_IRQHandler,
        ADC_IRQHandler, CAN1_TX_IRQHandler, CAN1_RX0_IRQHandler, CAN1_RX1_IRQHandler, CAN1_SCE_IRQHandler, EXTI9_5_IRQHandler,
        TIM1_BRK_TIM9_IRQHandler, TIM1_UP_TIM10_IRQHandler, TIM1_TRG_COM_TIM11_IRQHandler, TIM1_CC_IRQHandler, TIM2_IRQHandler,
        TIM3_IRQHandler, TIM4_IRQHandler, I2C1_EV_IRQHandler, I2C1_ER_IRQHandler, I2C2_EV_IRQHandler, I2C2_ER_IRQHandler, SPI1_IRQHandler,
        SPI2_IRQHandler, USART1_IRQHandler, USART2_IRQHandler, USART3_IRQHandler, EXTI15_10_IRQHandler, RTC_Alarm_IRQHandler,
        OTG_FS_WKUP_IRQHandler, TIM8_BRK_TIM12_IRQHandler, TIM8_UP_TIM13_IRQHandler, TIM8_TRG_COM_TIM14_IRQHandler, TIM8_CC_IRQHandler,
        DMA1_Stream7_IRQHandler, FMC_IRQHandler, SDMMC1_IRQHandler, TIM5_IRQHandler, SPI3_IRQHandler, UART4_IRQHandler, UART5_IRQHandler,
        TIM6_DAC_IRQHandler, TIM7_IRQHandler, DMA2_Stream0_IRQHandler, DMA2_Stream1_IRQHandler, DMA2_Stream2_IRQHandler,
        DMA2_Stream3_IRQHandler, DMA2_Stream4_IRQHandler, ETH_IRQHandler, ETH_WKUP_IRQHandler, CAN2_TX_IRQHandler, CAN2_RX0_IRQHandler,
        CAN2_RX1_IRQHandler, CAN2_SCE_IRQHandler, OTG_FS_IRQHandler, DMA2_Stream5_IRQHandler, DMA2_Stream6_IRQHandler,
        DMA2_Stream7_IRQHandler, USART6_IRQHandler, I2C3_EV_IRQHandler, I2C3_ER_IRQHandler, OTG_HS_EP1_OUT_IRQHandler,
        OTG_HS_EP1_IN_IRQHandler, OTG_HS_WKUP_IRQHandler, OTG_HS_IRQHandler, DCMI_IRQHandler, 0, RNG_IRQHandler, FPU_IRQHandler,
        UART7_IRQHandler, UART8_IRQHandler, SPI4_IRQHandler, SPI5_IRQHandler, SPI6_IRQHandler, SAI1_IRQHandler, LTDC_IRQHandler,
        LTDC_ER_IRQHandler, DMA2D_IRQHandler, SAI2_IRQHandler, QUADSPI_IRQHandler, LPTIM1_IRQHandler, CEC_IRQHandler, I2C4_EV_IRQHandler,
        I2C4_ER_IRQHandler, SPDIF_RX_IRQHandler,
    },
};
