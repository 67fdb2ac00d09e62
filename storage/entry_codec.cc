// (Written next.)
