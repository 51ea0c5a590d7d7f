! SPDX-License-Identifier: MIT
! Calls UMAT at one point, as a finite-element code would: reads a history from standard input, prints what each call
! leaves behind. A step that is a trial changes nothing for those after it.
program call_umat
  implicit none
  integer, parameter :: real8 = kind(1d0)
  integer :: ndi, nshr, ntens, nstatv, nprops, nfields, steps, step, trial, jstep(4)
  real(real8), allocatable :: stress(:), statev(:), ddsdde(:, :), stran(:), dstran(:), props(:), predef(:), dpred(:)
  real(real8), allocatable :: old_stress(:), old_statev(:), ddsddt(:), drplde(:)
  real(real8) :: sse, spd, scd, rpl, drpldt, time(2), dtime, temp, dtemp, pnewdt, celent
  real(real8) :: drot(3, 3), f0(3, 3), f1(3, 3), coords(3)
  character(80) :: cmname

  read (*, '(a)') cmname
  read (*, *) ndi, nshr, nstatv, nprops, nfields, steps
  ntens = ndi + nshr
  allocate (stress(ntens), statev(nstatv), ddsdde(ntens, ntens), stran(ntens), dstran(ntens), props(nprops))
  allocate (predef(nfields), dpred(nfields), ddsddt(ntens), drplde(ntens))
  read (*, *) props
  read (*, *) statev
  stress = 0
  coords = 0
  jstep = 1
  do step = 1, steps
    read (*, *) trial, pnewdt, time, dtime, temp, dtemp
    read (*, *) predef, dpred, stran, dstran
    read (*, *) f0, f1, drot
    old_stress = stress
    old_statev = statev
    ddsdde = -1
    call umat(stress, statev, ddsdde, sse, spd, scd, rpl, ddsddt, drplde, drpldt, stran, dstran, time, dtime, temp, &
              dtemp, predef, dpred, cmname, ndi, nshr, ntens, nstatv, props, nprops, coords, drot, pnewdt, celent, f0, &
              f1, 1, 1, 1, 1, jstep, step)
    write (*, '(*(1x, es25.17e3))') pnewdt, stress, statev, ddsdde
    if (trial /= 0) then
      stress = old_stress
      statev = old_statev
    end if
  end do
end program call_umat
